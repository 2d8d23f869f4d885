// Signing in, with and without an application that waits.

import assert from "node:assert/strict";

import { look } from "./appearance.js";
import { walk } from "./place.js";
import { createUser, url, userinfo } from "./server.js";

walk("a person signs in, allows, and the application gets tokens", async (place) => {
  const { application, username } = place;
  const visitor = await place.arrive();
  const request = application.request();
  await visitor.open(request.url);
  await visitor.hasFocus("username");
  assert.equal(await visitor.title(), "Sign in · Remint");
  await look(visitor, "sign-in");
  await visitor.reload();
  await visitor.signIn(username);
  await visitor.at("consent-allow");
  await visitor.press("consent-allow");
  await visitor.at("callback");
  const tokens = await application.redeem(request);
  const { preferred_username: name, sub } = await userinfo(tokens.access_token);
  assert.ok(sub && (name === undefined || name === username));
  const refreshed = await application.refresh(request, tokens.refresh_token);
  assert.equal(refreshed.status, 200);
});

walk("a wrong password is told above the form, and may be tried again", async (place) => {
  const visitor = await place.arrive();
  const request = place.application.request();
  await visitor.open(request.url);
  await visitor.signIn(place.username, "looking-glass");
  visitor.refused(400);
  assert.match(await visitor.title(), /^Error: /);
  assert.match(await visitor.text("notice"), /The username or the password is not right/);
  assert.equal(await visitor.attribute("notice", "role"), "alert");
  for (const id of ["username", "password"]) {
    assert.equal(await visitor.attribute(id, "aria-invalid"), "true");
    assert.equal(await visitor.attribute(id, "aria-describedby"), "notice");
  }
  assert.equal(await visitor.page.inputValue("#username"), place.username);
  assert.equal(await visitor.page.inputValue("#password"), "");
  await visitor.hasFocus("password");
  await look(visitor, "sign-in-wrong");
  await visitor.reload();
  visitor.refused(400);
  await visitor.back();
  await visitor.signIn(place.username);
  await visitor.at("consent-allow");
});

walk("a hint fills in the name, and the password has the focus", async (place) => {
  const visitor = await place.arrive();
  await visitor.open(place.application.request({ login_hint: place.username }).url);
  assert.equal(await visitor.page.inputValue("#username"), place.username);
  await visitor.hasFocus("password");
});

walk("prompt=none in a browser without a session shows no page", async (place) => {
  const visitor = await place.arrive();
  const request = place.application.request({ prompt: "none" });
  await visitor.open(request.url);
  await visitor.at("callback");
  assert.equal(place.application.answer(request).error, "login_required");
});

walk("prompt=login asks whoever is signed in once more", async (place) => {
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  const request = place.application.request({ prompt: "login" });
  await visitor.open(request.url);
  assert.match(await visitor.text("notice"), /confirm that it is you/);
  assert.equal(await visitor.page.inputValue("#username"), place.username);
  await visitor.hasFocus("password");
  await look(visitor, "sign-in-again");
  await visitor.signIn(place.username);
  await visitor.press("consent-allow");
  await place.application.redeem(request);
});

walk("an application gets its answer without a page from whoever is signed in", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  const demo = { secret: "demo-secret" };
  const first = application.request({ client_id: "demo" }, demo);
  await visitor.open(first.url);
  await visitor.signIn(place.username);
  await visitor.press("consent-allow");
  await application.redeem(first);
  const second = application.request({ client_id: "demo", prompt: "none" }, demo);
  await visitor.open(second.url);
  await visitor.at("callback");
  await application.redeem(second);
});

walk("ui_locales=de speaks German on every page of the way", async (place) => {
  const visitor = await place.arrive();
  const request = place.application.request({ ui_locales: "de" });
  const isGerman = async (title) => {
    assert.equal(await visitor.page.locator("html").getAttribute("lang"), "de");
    assert.match(await visitor.title(), title);
  };
  await visitor.open(request.url);
  await isGerman(/^Anmelden · /);
  await look(visitor, "sign-in-de");
  await visitor.signIn(place.username, "looking-glass");
  visitor.refused(400);
  await isGerman(/^Fehler: Anmelden · /);
  await visitor.signIn(place.username);
  await isGerman(/möchte Ihr Konto verwenden/);
  await look(visitor, "consent-de");
  await visitor.press("consent-allow");
  await place.application.redeem(request);
});

walk("a cookie that a neighbour on this host planted under a name like ours signs nobody in", async (place) => {
  const mallory = await place.arrive();
  await mallory.openAccount(await createUser(`mallory-${place.username}`));
  const all = await mallory.context.cookies(url);
  const find = (start) => all.find(({ name }) => name.startsWith(start));
  const { name: session, value } = find("__Host-remint-session-");
  const { name: form } = find("__Host-remint-form-");
  const visitor = await place.arrive();
  // The application has the server's host, and browsers do not tell ports apart for cookies.
  await visitor.open(place.application.callback);
  await visitor.page.evaluate(([session, form, value]) => {
    for (const before of ["", "\u2000", "\u00a0", "\ufeff", "\u3000"]) {
      document.cookie = `${before}${session}=${value}; path=/`;
      document.cookie = `${before}${form}=${value.slice(0, 43)}; path=/`;
    }
  }, [session, form, value]);
  const kept = (await visitor.context.cookies(url)).map(({ name }) => name);
  assert.ok(kept.includes(`\u2000${session}`), `other names to the browser: ${kept}`);
  assert.ok(!kept.includes(session), "which keeps ours from everybody else");
  await visitor.open("/account");
  await visitor.at("login-submit");
  await visitor.signIn(place.username);
  assert.equal(await visitor.text("account-username"), place.username);
});
