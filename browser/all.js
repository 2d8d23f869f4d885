// Every test, in one browser.

import { after, before } from "node:test";

import { close, open } from "./place.js";

before(open);
after(close);

await import("./sign_in.js");
await import("./consent.js");
await import("./account.js");
await import("./sign_out.js");
await import("./without.js");
await import("./trouble.js");
