// An application that signs people in: it asks for a code, shows what came back, and redeems it.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import * as server from "./server.js";

const SCOPE = "openid profile email offline_access read";
const random = () => randomBytes(32).toString("base64url");
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The page of the application: what its callback was given. */
function page(method, fields) {
  const rows = [...fields].map(([n, v]) => `<dt>${escape(n)}</dt><dd>${escape(v)}</dd>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Application</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
</head><body><main><h1 id="callback">${method}</h1><dl>${rows.join("")}</dl></main></body></html>`;
}

async function read(request) {
  if (request.method !== "POST") return new URL(request.url, "http://localhost").searchParams;
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
}

export class Application {
  /** The answers that came back, oldest first. */
  answers = [];

  static async start() {
    const application = new Application();
    application.http = createServer(async (request, response) => {
      const fields = await read(request);
      application.answers.push({ method: request.method, ...Object.fromEntries(fields) });
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(page(request.method, fields));
    });
    await new Promise((resolve) => application.http.listen(0, "127.0.0.1", resolve));
    application.callback = `http://127.0.0.1:${application.http.address().port}/callback`;
    return application;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }

  /** A request for a code, changed; `undefined` leaves a parameter out. */
  request(changes = {}, { secret } = {}) {
    const verifier = random();
    const all = {
      client_id: "playground",
      response_type: "code",
      redirect_uri: this.callback,
      scope: SCOPE,
      state: random(),
      nonce: random(),
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...changes,
    };
    const fields = Object.entries(all).filter(([, value]) => value !== undefined);
    return {
      ...all,
      verifier,
      secret,
      url: `${server.url}/oauth2/authorize?${new URLSearchParams(fields)}`,
    };
  }

  /** The last answer, which must belong to the request. */
  answer(request) {
    const answer = this.answers.at(-1);
    assert.ok(answer, "no answer came to the application");
    assert.equal(answer.state, request.state);
    assert.equal(answer.iss, server.url);
    return answer;
  }

  /** Redeems the code of the last answer. */
  async redeem(request) {
    const { code } = this.answer(request);
    assert.ok(code, `no code: ${JSON.stringify(this.answers.at(-1))}`);
    const tokens = await server.token({
      grant_type: "authorization_code",
      code,
      redirect_uri: request.redirect_uri,
      code_verifier: request.verifier,
      ...credentials(request),
    });
    assert.equal(tokens.status, 200, JSON.stringify(tokens));
    const claims = JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url"));
    assert.equal(claims.nonce, request.nonce);
    return tokens;
  }

  refresh(request, refreshToken) {
    return server.token({
      grant_type: "refresh_token",
      refresh_token: refreshToken,
      ...credentials(request),
    });
  }
}

const credentials = ({ client_id, secret }) =>
  secret === undefined ? { client_id } : { client_id, client_secret: secret };
