// What an application asks for, and what the person answers.

import assert from "node:assert/strict";

import { look } from "./appearance.js";
import { walk } from "./place.js";

const SCOPES = [
  "Recognise you by an identifier of your account",
  "See your profile, such as your name and picture",
  "See your email address",
  "Keep this access while you are away",
  "Use the permission read",
];

walk("the page says who asks, for what, and where it leads", async (place) => {
  const visitor = await place.arrive();
  await visitor.open(place.application.request().url);
  await visitor.signIn(place.username);
  const title = "Playground would like to use your account";
  assert.equal(await visitor.title(), `${title} · Remint`);
  assert.equal(await visitor.page.locator("h1").innerText(), title);
  const scopes = await visitor.page.locator("#consent-scopes > li").allInnerTexts();
  assert.deepEqual(scopes.toSorted(), SCOPES.toSorted());
  assert.equal(await visitor.text("consent-redirect-host"), "127.0.0.1");
  assert.equal(await visitor.text("consent-client-id"), "playground");
  assert.match(await visitor.text("consent-unproven"), /cannot verify this application/);
  assert.match(await visitor.text("consent-lasts"), /day|until you end it/);
  const person = visitor.page.locator(".person");
  assert.match(await person.innerText(), new RegExp(`Signed in as ${place.username}`));
  await look(visitor, "consent");
});

walk("a no goes to the application", async (place) => {
  const visitor = await place.arrive();
  const request = place.application.request();
  await visitor.open(request.url);
  await visitor.signIn(place.username);
  await visitor.press("consent-deny");
  await visitor.at("callback");
  const answer = place.application.answer(request);
  assert.equal(answer.error, "access_denied");
  assert.equal(answer.code, undefined);
});

walk("reloading and going back do no harm", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  const request = application.request();
  await visitor.open(request.url);
  await visitor.signIn(place.username);
  await visitor.reload();
  await visitor.at("consent-allow");
  // Back where the password was asked for: it is no longer.
  await visitor.back();
  await visitor.at("consent-allow");
  await visitor.press("consent-allow");
  const tokens = await application.redeem(request);
  await visitor.reload();
  await visitor.back();
  await visitor.at("consent-allow");
  await visitor.press("consent-allow");
  await application.redeem(request);
  const refreshed = await application.refresh(request, tokens.refresh_token);
  assert.equal(refreshed.status, 200, "the first session lives on");
});

walk("another account can be used instead", async (place) => {
  const visitor = await place.arrive();
  const request = place.application.request();
  await visitor.open(request.url);
  await visitor.signIn(place.username);
  await visitor.press("consent-switch");
  assert.equal(await visitor.page.inputValue("#username"), "");
  await visitor.signIn("alice");
  assert.match(await visitor.page.locator(".person").innerText(), /Signed in as alice/);
  await visitor.press("consent-allow");
  await place.application.redeem(request);
});

walk("the page of form_post looks like the others while it waits", async (place) => {
  const visitor = await place.arrive();
  await visitor.page.route("**/consent", async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/<script>.*<\/script>/s, "");
    await route.fulfill({ response, body });
  });
  await visitor.open(place.application.request({ response_mode: "form_post" }).url);
  await visitor.signIn(place.username);
  await visitor.press("consent-allow");
  await visitor.at("form-post-continue");
  await look(visitor, "form-post");
});

walk("an answer by form_post sends itself", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  const request = application.request({ response_mode: "form_post" });
  await visitor.open(request.url);
  await visitor.signIn(place.username);
  await visitor.page.locator("#consent-allow").click();
  await visitor.page.waitForURL(application.callback);
  await visitor.at("callback");
  assert.equal(application.answer(request).method, "POST");
  await application.redeem(request);
});
