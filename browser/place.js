// What the tests share: one browser and one application. Each test has users and visitors of its own.

import { test } from "node:test";

import { Application } from "./application.js";
import { createUser } from "./server.js";
import { launch, Visitor } from "./visitor.js";

let browser;
let application;

export async function open() {
  application = await Application.start();
  browser = await launch();
}

export async function close() {
  await browser?.close();
  application?.stop();
}

let users = 0;

/** A test with a user of its own; visitors that arrive in it must have nothing to complain of. */
export function walk(sentence, body) {
  test(sentence, async () => {
    const username = await createUser(`carol-${++users}`);
    const visitors = [];
    const arrive = async (options) => {
      visitors.push(await Visitor.arrive(browser, options));
      return visitors.at(-1);
    };
    try {
      await body({ application, username, arrive });
    } catch (error) {
      const seen = visitors.map((v) => `at ${v.page.url()}: ${JSON.stringify(v.complaints)}`);
      error.message += `\n${seen.join("\n")}`;
      await Promise.allSettled(visitors.map((visitor) => visitor.context.close()));
      throw error;
    }
    for (const visitor of visitors) await visitor.leave();
  });
}
