// Without a mouse, and without JavaScript.

import assert from "node:assert/strict";

import { look } from "./appearance.js";
import { walk } from "./place.js";

/** Presses Tab until the element has the focus, and says what came before it. */
async function tabTo(visitor, id) {
  const passed = [];
  for (let presses = 0; presses < 12; presses += 1) {
    await visitor.page.keyboard.press("Tab");
    const focused = await visitor.focused();
    if (focused === id) return passed;
    passed.push(focused);
  }
  return assert.fail(`Tab does not lead to ${id}, but to ${passed}`);
}

/** Whoever looks sees where the focus is (WCAG 2.2 SC 2.4.7). */
async function showsFocus(visitor) {
  const outline = await visitor.page.evaluate(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return `${outlineStyle} ${outlineWidth}`;
  });
  assert.equal(outline, "solid 2px");
}

const enter = (visitor) => visitor.through(() => visitor.page.keyboard.press("Enter"));

walk("the keyboard alone leads through sign-in and consent", async (place) => {
  const visitor = await place.arrive();
  const { keyboard } = visitor.page;
  const request = place.application.request();
  await visitor.open(request.url);
  await visitor.hasFocus("username");
  await showsFocus(visitor);
  await keyboard.type(place.username);
  assert.deepEqual(await tabTo(visitor, "password"), []);
  await keyboard.type("looking-glass");
  await enter(visitor);
  visitor.refused(400);
  await visitor.hasFocus("password");
  await showsFocus(visitor);
  await keyboard.type("wonderland");
  assert.deepEqual(await tabTo(visitor, "login-submit"), []);
  await showsFocus(visitor);
  await enter(visitor);
  // In the order of reading: the other account, no, yes.
  assert.deepEqual(await tabTo(visitor, "consent-switch"), []);
  assert.deepEqual(await tabTo(visitor, "consent-deny"), []);
  assert.deepEqual(await tabTo(visitor, "consent-allow"), []);
  await showsFocus(visitor);
  await look(visitor, "consent-focus");
  await enter(visitor);
  await place.application.redeem(request);
});

walk("the keyboard alone ends a session on the account page", async (place) => {
  const other = await place.arrive();
  await other.openAccount(place.username);
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  const skip = visitor.page.locator(".skip");
  await visitor.page.keyboard.press("Tab");
  assert.ok(await skip.evaluate((link) => link === document.activeElement));
  await look(visitor, "account-skip");
  await visitor.page.keyboard.press("Enter");
  const passed = await tabTo(visitor, "end-session-2");
  assert.deepEqual(passed, ["end-session-1"]);
  await showsFocus(visitor);
  await enter(visitor);
  assert.match(await visitor.text("account-done"), /The session has been ended/);
});

walk("without JavaScript everything works, with one more press for form_post", async (place) => {
  const { application } = place;
  const visitor = await place.arrive({ javaScriptEnabled: false });
  const request = application.request({ response_mode: "form_post" });
  await visitor.open(request.url);
  await visitor.signIn(place.username, "looking-glass");
  visitor.refused(400);
  await visitor.signIn(place.username);
  await visitor.press("consent-allow");
  await visitor.press("form-post-continue");
  assert.equal(application.answer(request).method, "POST");
  const tokens = await application.redeem(request);

  await visitor.open("/account");
  await visitor.press("end-application-1");
  const refused = await application.refresh(request, tokens.refresh_token);
  assert.equal(refused.error, "invalid_grant");
  await visitor.open("/oidc/logout");
  await visitor.press("logout-confirm");
  await visitor.at("signed-out");
});
