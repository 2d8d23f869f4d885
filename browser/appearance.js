// How a page looks: a screenshot in each scheme and size, no scrolling sideways, nothing for axe to find.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { readFileSync } from "node:fs";

const { SCREENSHOTS } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const SIZES = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
};
/** WCAG 2.2 SC 1.4.10: the width at which nothing may need scrolling in two directions. */
const NARROWEST = { width: 320, height: 640 };

/** Looks at the page that the visitor is at, and leaves it as it was. */
export async function look(visitor, name) {
  const { page } = visitor;
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await fits(page, `${name} on a ${size}`);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      const path = join(SCREENSHOTS, `${name}-${size}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true, caret: "initial" });
      assert.deepEqual(await violations(page), [], `${name}, ${size}, ${colorScheme}`);
    }
  }
  await page.setViewportSize(NARROWEST);
  await fits(page, `${name} at ${NARROWEST.width} pixels`);
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(SIZES.desktop);
}

async function fits(page, what) {
  const { content, window } = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }));
  assert.ok(content <= window, `${what}: ${content} pixels in ${window}`);
}

/** What axe finds, with every rule that is not an experiment. */
async function violations(page) {
  // As the developer tools run it, outside of the page's content security policy.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe.run(document, { rules: { "target-size": { enabled: true } } }),
  );
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(" ")}`);
}
