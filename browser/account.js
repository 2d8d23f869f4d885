// The account page: sessions, applications, the password.

import assert from "node:assert/strict";

import { look } from "./appearance.js";
import { walk } from "./place.js";
import { password } from "./server.js";

const FIREFOX =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 " +
  "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

/** Gives an application access. */
async function allow({ application }, visitor, changes, secret) {
  const request = application.request(changes, { secret });
  await visitor.open(request.url);
  await visitor.press("consent-allow");
  return { request, tokens: await application.redeem(request) };
}

walk("sessions are shown with their browser, and one ends another", async (place) => {
  const [here, other, phone] = [
    await place.arrive(),
    await place.arrive({ userAgent: FIREFOX }),
    await place.arrive({ userAgent: PHONE }),
  ];
  for (const visitor of [phone, other, here]) await visitor.openAccount(place.username);
  const sessions = await here.rows("sessions");
  assert.equal(sessions.length, 3);
  assert.match(sessions[0], /^Chrom\w+ on Linux\s+This session/);
  assert.match(sessions[1], /^Firefox on Windows/);
  assert.match(sessions[2], /^Safari on i/);
  assert.ok(sessions.every((row) => /This machine/.test(row) && /just now/.test(row)));
  await look(here, "account-sessions");

  await here.press("end-session-2");
  assert.match(await here.text("account-done"), /The session has been ended/);
  assert.equal(await here.attribute("account-done", "role"), "status");
  assert.equal((await here.rows("sessions")).length, 2);
  await here.reload();
  await other.reload();
  await other.at("login-submit");
  await phone.reload();
  await phone.at("account-username");
  await look(here, "account-session-ended");
});

walk("an application whose access is ended gets no more tokens", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  await look(visitor, "account-empty");
  await visitor.at("no-applications");
  const kept = await allow(place, visitor, {});
  const ended = await allow(place, visitor, { client_id: "demo" }, "demo-secret");
  await visitor.open("/account");
  const names = await visitor.rows("applications");
  assert.deepEqual(names.map((row) => row.split("\n")[0]), ["Demo", "Playground"]);
  await visitor.page.locator("#applications summary").first().click();
  const can = await visitor.page.locator("#applications details[open] li").allInnerTexts();
  assert.ok(can.some((text) => text === "See your email address"), can.join());
  await look(visitor, "account-applications");

  await visitor.press("end-application-1");
  assert.match(await visitor.text("account-done"), /no longer has access/);
  const refused = await application.refresh(ended.request, ended.tokens.refresh_token);
  assert.equal(refused.error, "invalid_grant");
  const alive = await application.refresh(kept.request, kept.tokens.refresh_token);
  assert.equal(alive.status, 200);
  // What was allowed is forgotten, too.
  await visitor.open(application.request({ client_id: "demo" }).url);
  await visitor.at("consent-allow");
});

walk("a new password ends everything but the session at hand", async (place) => {
  const { application, username } = place;
  const next = "through the looking-glass";
  const [here, other] = [await place.arrive(), await place.arrive({ userAgent: FIREFOX })];
  await other.openAccount(username);
  const { request, tokens } = await allow(place, other, {});
  await here.openAccount(username);

  const change = async (current, first, second) => {
    await here.page.locator("#current-password").fill(current);
    await here.page.locator("#new-password").fill(first);
    await here.page.locator("#repeated-password").fill(second);
    await here.press("change-password");
  };
  const isRefused = async (field, sentence) => {
    here.refused(400);
    assert.match(await here.title(), /^Error: /);
    assert.match(await here.text("account-problem"), sentence);
    assert.equal(await here.attribute("account-problem", "role"), "alert");
    assert.match(await here.attribute(field, "aria-describedby"), /account-problem/);
    await here.hasFocus(field);
  };
  await change("looking-glass", next, next);
  await isRefused("current-password", /The current password is not right/);
  await look(here, "account-password-wrong");
  await change(password, next, "something else");
  await isRefused("repeated-password", /are not the same/);
  await change(password, password, password);
  await isRefused("new-password", /the same as the current one/);
  await here.reload();
  here.refused(400);

  await change(password, next, next);
  assert.match(await here.text("account-done"), /Your password has been changed/);
  await look(here, "account-password-changed");
  await here.reload();
  await here.at("account-username");
  assert.equal((await here.rows("sessions")).length, 1);
  const refused = await application.refresh(request, tokens.refresh_token);
  assert.equal(refused.error, "invalid_grant");

  await other.open("/account");
  await other.signIn(username);
  other.refused(400);
  await other.signIn(username, next);
  await other.at("account-username");
});

walk("signing out here shows the way back in", async (place) => {
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  await visitor.press("account-sign-out");
  await visitor.at("login-submit");
  await look(visitor, "sign-in-account");
  // Nothing of the account comes back out of the history.
  await visitor.back();
  await visitor.at("login-submit");
  const [session] = (await visitor.context.cookies()).filter(({ name }) => /session/.test(name));
  assert.equal(session, undefined);
});
