// openid-client: signing in with a code and PKCE, userinfo, refreshes and signing out, as a public
// and as a confidential client.
//
// Usage: node client.js ISSUER, with the server's certificate in NODE_EXTRA_CA_CERTS

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { Browser } from "./browser.js";

// Node.js 18 has it, but under its own name.
globalThis.crypto ??= webcrypto;
const oidc = await import("openid-client");

// Nothing listens there: the browser stops short of it.
const HOME = "http://127.0.0.1:8401/";
const CALLBACK = `${HOME}callback`;
// Once allowed, a confidential client's scope is asked about no more, unless it wants it.
const ASKED = { prompt: "consent" };
const SCOPE = "openid profile email read";
const { version } = JSON.parse(
  readFileSync(new URL("node_modules/openid-client/package.json", import.meta.url)),
);
const issuer = new URL(process.argv[2]);

await main("playground", oidc.None());
await main("demo", oidc.ClientSecretBasic("demo-secret"));
await main("demo", oidc.ClientSecretPost("demo-secret"));

async function main(clientId, authentication) {
  const step = (what) => console.log(`openid-client ${version}, ${clientId}: ${what}`);
  const config = await oidc.discovery(issuer, clientId, undefined, authentication, { timeout: 30 });
  assert.ok(config.serverMetadata().supportsPKCE());
  // Without it the library leaves the signature to TLS, as OpenID Connect Core 3.1.3.7 allows.
  oidc.enableNonRepudiationChecks(config);
  step("discovery");

  const browser = new Browser(issuer.origin);
  await denies(config, browser);
  step("access_denied where the person does not allow it");

  const first = await signsIn(config, browser);
  step("code with PKCE through the pages, ID token checked by the jwks");

  const tokens = await signsInAgain(config, browser, first, clientId === "playground");
  step("a second time with the browser's session, a third with prompt=login and max_age");

  // The library compares the subjects.
  const person = await oidc.fetchUserInfo(config, tokens.access_token, first.claims().sub);
  assert.equal(person.name, "Alice Liddell");
  assert.equal(person.email, "alice@example.com");
  assert.equal(person.email_verified, true);
  step("userinfo with profile and email");

  const last = await refreshes(config, tokens);
  step("refreshes, with an ID token of the same sign-in");

  await signsOut(config, browser, last);
  step("RP-initiated logout, which ends session and tokens");
}

/** Sends the browser to the server; gives where it comes back to and what was sent along. */
async function authorizes(config, browser, parameters = {}, choice = {}) {
  const checks = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
    idTokenExpected: true,
  };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: SCOPE,
    code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...parameters,
  });
  const { target, pressed } = await browser.visit(url, choice);
  assert.equal(target.origin + target.pathname, CALLBACK);
  return { target, pressed, checks };
}

async function denies(config, browser) {
  const choice = { consent: "consent-deny" };
  const { target, pressed, checks } = await authorizes(config, browser, ASKED, choice);
  assert.deepEqual(pressed, ["login-submit", "consent-deny"]);
  await assert.rejects(oidc.authorizationCodeGrant(config, target, checks), {
    name: "AuthorizationResponseError",
    error: "access_denied",
  });
}

async function signsIn(config, browser) {
  // The browser is signed in already.
  const { target, pressed, checks } = await authorizes(config, browser, ASKED);
  assert.deepEqual(pressed, ["consent-allow"]);
  const tokens = await oidc.authorizationCodeGrant(config, target, checks);
  assert.deepEqual(tokens.scope.split(" ").sort(), SCOPE.split(" ").sort());
  const claims = tokens.claims();
  assert.equal(claims.iss, config.serverMetadata().issuer);
  assert.equal(typeof claims.auth_time, "number");
  return tokens;
}

async function signsInAgain(config, browser, before, isPublic) {
  // Anybody could be the public client, so what was allowed to it once is asked again.
  const consent = isPublic ? ["consent-allow"] : [];
  const silent = await authorizes(config, browser);
  assert.deepEqual(silent.pressed, consent);
  const { auth_time, sub } = before.claims();
  const same = await oidc.authorizationCodeGrant(config, silent.target, silent.checks);
  assert.equal(same.claims().auth_time, auth_time);

  const maxAge = 60;
  const asked = await authorizes(config, browser, { prompt: "login", max_age: `${maxAge}` });
  assert.deepEqual(asked.pressed, ["login-submit", ...consent]);
  const checks = { ...asked.checks, maxAge };
  const fresh = await oidc.authorizationCodeGrant(config, asked.target, checks);
  assert.equal(fresh.claims().sub, sub);
  return fresh;
}

async function refreshes(config, first) {
  let last = first;
  for (let count = 0; count < 3; count += 1) {
    const next = await oidc.refreshTokenGrant(config, last.refresh_token);
    assert.notEqual(next.refresh_token, last.refresh_token);
    assert.notEqual(next.access_token, last.access_token);
    // OpenID Connect Core 12.2
    for (const name of ["iss", "sub", "aud", "auth_time"]) {
      assert.deepEqual(next.claims()[name], first.claims()[name], name);
    }
    last = next;
  }
  return last;
}

async function signsOut(config, browser, tokens) {
  const state = oidc.randomState();
  const url = oidc.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: HOME,
    state,
  });
  const { target, pressed } = await browser.visit(url);
  assert.equal(target.href, `${HOME}?state=${state}`);
  // The hint is of this session, so nobody needs to be asked.
  assert.deepEqual(pressed, []);

  const silent = await authorizes(config, browser, { prompt: "none" });
  await assert.rejects(oidc.authorizationCodeGrant(config, silent.target, silent.checks), {
    error: "login_required",
  });
  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), {
    error: "invalid_grant",
  });
}
