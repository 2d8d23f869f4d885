// The server under test: where it is, its users, and what an application asks of it without a browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createHash, X509Certificate } from "node:crypto";

const { REMINT, REMINT_URL, REMINT_DATA } = process.env;

export const url = REMINT_URL;
export const password = "wonderland";

/** The hash of the server's key, which a browser can be told to trust. */
export function keyHash() {
  const certificate = new X509Certificate(readFileSync(`${REMINT_DATA}/self-signed.crt`));
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}

/** Runs a command of the server; what it asks for is on its standard input. */
async function remint(args, input) {
  const { REMINT_URL: _, REMINT_DATA: __, REMINT: ___, ...env } = process.env;
  await new Promise((resolve, reject) => {
    const done = (error, _, stderr) => (error ? reject(new Error(stderr)) : resolve());
    const child = execFile(REMINT, [...args, "--data-dir", REMINT_DATA], { env }, done);
    child.stdin.end(input);
  });
}

/** A user whom no other test knows; everybody's password is the same. */
export async function createUser(username) {
  await remint(["user", "create", "--username", username, "--password-stdin"], password);
  return username;
}

/** A public client of an application, with more options. */
export async function createClient(id, callback, options) {
  const fixed = ["--public", "--redirect-uri", callback, "--post-logout-redirect-uri", callback];
  await remint(["client", "create", "--id", id, "--scope", "openid", ...fixed, ...options]);
  return id;
}

/** Asks the token endpoint, with the fields of a form. */
export async function token(fields) {
  const response = await fetch(`${url}/oauth2/token`, {
    method: "POST",
    body: new URLSearchParams(fields),
  });
  return { status: response.status, ...(await response.json()) };
}

/** Whom an access token speaks of. */
export async function userinfo(accessToken) {
  const headers = { authorization: `Bearer ${accessToken}` };
  const response = await fetch(`${url}/oauth2/userinfo`, { headers });
  assert.equal(response.status, 200);
  return response.json();
}
