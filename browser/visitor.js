// Somebody at a browser of their own. Whatever the browser complains of fails the test: a message on the
// console, an error of a page, a breach of the content security policy, a response that nobody expected.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

import * as server from "./server.js";

/** How the browser itself reports a response of 4xx, which `refused` judges. */
const REFUSAL = /^Failed to load resource: the server responded with a status of 4\d\d /;

/** The server's cookies stay behind when its form is sent to the application, and "back" passes over a page
    that went on by itself. */
function isMeant({ code, details }) {
  if (code === "CookieIssue") return !details.cookieIssueDetails.cookieUrl.startsWith(server.url);
  return details.genericIssueDetails?.errorType === "NavigationEntryMarkedSkippable";
}

/** How long anything may take, in milliseconds, on a machine that is busy with other things. */
const PATIENCE = 30_000;

/** What sets a name apart from the direction of the text around it. */
const ISOLATES = /[\u2068\u2069]/g;

/** Runs in the page. */
function send([action, fields]) {
  const form = Object.assign(document.createElement("form"), { action, method: "post" });
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.submit();
}

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [`--ignore-certificate-errors-spki-list=${server.keyHash()}`],
    // Chromium's sandbox wants another user than root.
    chromiumSandbox: process.getuid() !== 0,
  });

export class Visitor {
  complaints = [];
  /** The pages with a status of 4xx or 5xx that no test has asked about. */
  refusals = [];

  /** Opens a browser that has no cookies yet. */
  static async arrive(browser, options = {}) {
    const visitor = new Visitor();
    visitor.context = await browser.newContext({
      locale: "en-GB",
      reducedMotion: "reduce",
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    visitor.context.setDefaultTimeout(PATIENCE);
    visitor.page = await visitor.context.newPage();
    await visitor.listen();
    return visitor;
  }

  async listen() {
    const { page, complaints } = this;
    page.on("console", (message) => {
      if (!REFUSAL.test(message.text())) complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`page: ${error.message}`));
    page.on("crash", () => complaints.push("the page crashed"));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("requestfailed", (request) => {
      const { errorText } = request.failure();
      // The icon need not have come when the visitor moves on.
      if (errorText === "net::ERR_ABORTED" && !request.isNavigationRequest()) return;
      complaints.push(`request: ${request.url()}: ${errorText}`);
    });
    page.on("response", (response) => {
      if (response.status() < 400) return;
      const isPage = response.request().isNavigationRequest();
      if (isPage) this.refusals.push(response.status());
      else complaints.push(`response: ${response.status()} ${response.url()}`);
    });
    // What the developer tools list under "Issues".
    const tools = await this.context.newCDPSession(page);
    tools.on("Audits.issueAdded", ({ issue }) => {
      if (!isMeant(issue)) complaints.push(`issue: ${JSON.stringify(issue)}`);
    });
    await tools.send("Audits.enable");
  }

  /** The page that was just shown had this status. */
  refused(status) {
    assert.deepEqual(this.refusals.splice(0), [status]);
  }

  /** Leaves, and says what was wrong in all that time. */
  async leave() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
    assert.deepEqual(this.refusals, [], "pages that nobody expected to be refusals");
  }

  async open(path) {
    await this.page.goto(path.startsWith("/") ? server.url + path : path);
  }

  /** Does something that leads to another page. */
  async through(action) {
    const loaded = this.page.waitForEvent("load");
    await action();
    await loaded;
  }

  /** Sends a form from the page where the visitor is, whichever site that is of. */
  post(path, fields) {
    return this.through(() => this.page.evaluate(send, [server.url + path, fields]));
  }

  press(id) {
    return this.through(() => this.page.locator(`#${id}`).click());
  }

  async signIn(username, password = server.password) {
    await this.page.locator("#username").fill(username);
    await this.page.locator("#password").fill(password);
    await this.press("login-submit");
  }

  /** Signs in for the account page. */
  async openAccount(username) {
    await this.open("/account");
    await this.signIn(username);
    await this.at("account-username");
  }

  /** Is at the page that has an element of this id. */
  async at(id) {
    const isThere = await this.page.locator(`#${id}`).count();
    assert.equal(isThere, 1, `no #${id} at ${this.page.url()}`);
  }

  text(id) {
    return this.page.locator(`#${id}`).innerText();
  }

  async title() {
    return (await this.page.title()).replace(ISOLATES, "");
  }

  /** What the first column of a list of the account page says. */
  async rows(list) {
    const rows = await this.page.locator(`#${list} > .row > div`).allInnerTexts();
    return rows.map((row) => row.replace(ISOLATES, ""));
  }

  attribute(id, name) {
    return this.page.locator(`#${id}`).getAttribute(name);
  }

  focused() {
    return this.page.evaluate(() => document.activeElement.id);
  }

  /** Ends up with the focus there: `autofocus` acts with the next frame, which may come after `load`. */
  async hasFocus(id) {
    await this.page.locator(`#${id}:focus`).waitFor({ timeout: PATIENCE / 10 }).catch(() => {});
    assert.equal(await this.focused(), id, `at ${this.page.url()}`);
  }

  async back() {
    await this.page.goBack();
  }

  async reload() {
    await this.page.reload();
  }
}
