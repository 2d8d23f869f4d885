// Signing out because an application asks for it (OpenID Connect RP-Initiated Logout).

import assert from "node:assert/strict";

import { look } from "./appearance.js";
import { walk } from "./place.js";
import { createClient } from "./server.js";

/** Signs in for the application, which sends the visitor to sign out, with the ID token that it got. */
async function signInAndOut({ application, username }, visitor, request, state) {
  await visitor.open(request.url);
  await visitor.signIn(username);
  await visitor.press("consent-allow");
  const { id_token: hint } = await application.redeem(request);
  const query = new URLSearchParams({
    id_token_hint: hint,
    post_logout_redirect_uri: application.callback,
    state,
  });
  await visitor.open(`/oidc/logout?${query}`);
}

walk("an application that proves nothing has the person asked first", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  const query = new URLSearchParams({
    client_id: "playground",
    post_logout_redirect_uri: application.callback,
    state: "back again",
  });
  await visitor.open(`/oidc/logout?${query}`);
  assert.match(await visitor.page.locator(".card").innerText(), new RegExp(place.username));
  await look(visitor, "sign-out");
  await visitor.reload();
  await visitor.press("logout-confirm");
  await visitor.at("callback");
  assert.equal(application.answers.at(-1).state, "back again");
  // A form that is sent once more out of the history signs nobody in or out.
  await visitor.back();
  await visitor.open("/account");
  await visitor.at("login-submit");
});

walk("nobody's word leads to a page that says that it is done", async (place) => {
  const visitor = await place.arrive();
  await visitor.openAccount(place.username);
  await visitor.open("/oidc/logout");
  await visitor.press("logout-confirm");
  await visitor.at("signed-out");
  await look(visitor, "signed-out");
  await visitor.reload();
  await visitor.at("signed-out");
  await visitor.back();
});

walk("an application with the ID token of the session is not held up", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  const request = application.request();
  await signInAndOut(place, visitor, request, "quick");
  await visitor.at("callback");
  assert.equal(application.answers.at(-1).state, "quick");
  await visitor.open("/account");
  await visitor.at("login-submit");
});

walk("a form on a page of the application signs out as well as a link", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  const request = application.request();
  await visitor.open(request.url);
  await visitor.signIn(place.username);
  await visitor.press("consent-allow");
  const { id_token: hint } = await application.redeem(request);
  await visitor.at("callback");
  await visitor.post("/oidc/logout", {
    id_token_hint: hint,
    post_logout_redirect_uri: application.callback,
    state: "by form",
  });
  await visitor.at("callback");
  assert.equal(application.answers.at(-1).state, "by form");
  await visitor.open("/account");
  await visitor.at("login-submit");
});

walk("a page that signs out of applications goes on to the one that asked", async (place) => {
  const { application } = place;
  const visitor = await place.arrive();
  const framed = application.callback.replace("/callback", "/front");
  const options = ["--frontchannel-logout-uri", framed];
  const client = await createClient("framed", application.callback, options);
  const request = application.request({ client_id: client, scope: "openid" });
  await signInAndOut(place, visitor, request, "by itself");
  await visitor.page.waitForURL(`${application.callback}?state=by%20itself`);
  await visitor.at("callback");
  const [front, back] = application.answers.slice(-2);
  assert.ok(front.iss && front.sid, "the frame came first");
  assert.equal(back.state, "by itself");
});
