// A person at a browser, as the server sees one: cookies, redirects one by one, forms.

const PERSON = { username: "alice", password: "wonderland" };

export class Browser {
  #origin;
  #cookies = new Map();

  constructor(origin) {
    this.#origin = origin;
  }

  /**
   * Opens a URL of the server, signs in and presses the named button where pages ask, until the
   * browser is sent elsewhere. Gives that URL and the ids of the buttons that were pressed.
   */
  async visit(url, { consent = "consent-allow" } = {}) {
    const pressed = [];
    let response = await this.#send(url);
    for (let count = 0; count < 12; count += 1) {
      const location = response.headers.get("location");
      if (location !== null) {
        const target = new URL(location, response.url);
        if (target.origin !== this.#origin) return { target, pressed };
        response = await this.#send(target);
        continue;
      }
      const page = await response.text();
      const button = ["login-submit", consent, "logout-confirm"].find((id) =>
        page.includes(`id="${id}"`),
      );
      if (response.status !== 200 || button === undefined) {
        throw new Error(`a page that was not expected, ${response.status}:\n${page}`);
      }
      pressed.push(button);
      response = await this.#submit(response.url, page, button);
    }
    throw new Error(`no end of redirects and pages from ${url}`);
  }

  /** Sends the form that has this button. */
  #submit(url, page, button) {
    const form = page.match(/<form[^]*?<\/form>/g).find((it) => it.includes(`id="${button}"`));
    const body = new URLSearchParams();
    for (const [tag] of form.matchAll(/<(?:input|button)\b[^>]*>/g)) {
      const name = attribute(tag, "name");
      const isOther = tag.startsWith("<button") && attribute(tag, "id") !== button;
      if (name === undefined || isOther) continue;
      body.append(name, PERSON[name] ?? attribute(tag, "value"));
    }
    return this.#send(new URL(attribute(form, "action"), url), { method: "POST", body });
  }

  async #send(url, options = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      ...options,
      headers: { cookie },
      redirect: "manual",
      signal: AbortSignal.timeout(30_000),
    });
    // Node.js 18 of Debian has no `getSetCookie`: all cookies are one text.
    const cookies = response.headers.get("set-cookie")?.split(/, (?=[^;,=]+=)/) ?? [];
    for (const text of cookies) {
      const [, name, value] = text.match(/^([^=]+)=([^;]*)/);
      if (/max-age=0/i.test(text)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }
}

function attribute(tag, name) {
  return tag.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1];
}
