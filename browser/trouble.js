// What can go wrong, as a person sees it.

import assert from "node:assert/strict";

import { look } from "./appearance.js";
import { walk } from "./place.js";
import { url } from "./server.js";

walk("an unknown application is an error here and not at its callback", async (place) => {
  const visitor = await place.arrive();
  const before = place.application.answers.length;
  await visitor.open(place.application.request({ client_id: "nobody" }).url);
  visitor.refused(400);
  assert.match(await visitor.text("error-parameter"), /client_id/);
  assert.match(await visitor.text("error-request-id"), /\w/);
  assert.ok(visitor.page.url().startsWith(url));
  assert.equal(place.application.answers.length, before);
  await look(visitor, "error");
  await visitor.reload();
  visitor.refused(400);
});

walk("a wrong turn leads to a page that says so", async (place) => {
  const visitor = await place.arrive();
  await visitor.open("/nothing/here");
  visitor.refused(404);
  assert.match(await visitor.text("error"), /There is no such page/);
  await look(visitor, "error-not-found");
});

walk("a form whose cookie is gone is refused, and says so", async (place) => {
  const visitor = await place.arrive();
  await visitor.open(place.application.request().url);
  await visitor.context.clearCookies();
  await visitor.signIn(place.username);
  visitor.refused(400);
  assert.match(await visitor.text("notice"), /open for too long/);
  await look(visitor, "sign-in-expired");
  await visitor.signIn(place.username);
  await visitor.at("consent-allow");
  // Without the session, too, it is nobody's form: whoever is there is asked to sign in.
  await visitor.context.clearCookies();
  await visitor.press("consent-allow");
  await visitor.at("login-submit");
  await visitor.openAccount(place.username);
  await visitor.context.clearCookies({ name: /^__Host-remint-form-/ });
  await visitor.press("account-sign-out");
  visitor.refused(403);
  await visitor.at("error");
  await look(visitor, "error-form");
});

walk("whoever guesses too often has to wait", async (place) => {
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  await visitor.press("account-sign-out");
  let refusal;
  for (let guess = 0; guess < 20 && refusal !== 429; guess += 1) {
    await visitor.signIn(place.username, "looking-glass");
    [refusal] = visitor.refusals.splice(0);
  }
  assert.equal(refusal, 429);
  assert.match(await visitor.text("notice"), /Too many attempts/);
  await look(visitor, "sign-in-wait");
});
