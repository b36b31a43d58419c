// Checks reports in a browser: nothing is wider than a phone, nothing is fetched, and axe-core finds no fault.
// Writes screenshots (wide and narrow, light and dark) and a PDF of each. Not part of the tests, because it needs Chromium.
// A live page (finetune --dashboard=PORT) is given by its URL; it may fetch from there.
// Usage: node scripts/check-report.js REPORT.html|URL… [--chromium PATH] [--output FOLDER]
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    chromium: { type: "string", default: "/usr/bin/chromium-headless-shell" },
    output: { type: "string", default: "build/report-check" },
  },
});

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const VIEWS = [
  { name: "light", viewport: { width: 1280, height: 900 }, colorScheme: /** @type {const} */ ("light") },
  { name: "dark", viewport: { width: 1280, height: 900 }, colorScheme: /** @type {const} */ ("dark") },
  { name: "phone", viewport: { width: 390, height: 844 }, colorScheme: /** @type {const} */ ("light") },
  { name: "phone-dark", viewport: { width: 390, height: 844 }, colorScheme: /** @type {const} */ ("dark") },
];

/** @param {string} file */
const isServed = (file) => /^https?:/.test(file);
/** @param {string} file */
const addressOf = (file) => (isServed(file) ? file : pathToFileURL(resolve(file)).href);

/** axe-core's findings, one line each. Runs in the page. */
const FIND = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ target, failureSummary }) =>
    id + " " + target.join(" ") + ": " + failureSummary.split("\\n").slice(1, 2).join(" ").trim())))`;

/**
 * @param {import("playwright-core").Browser} browser
 * @param {string} file
 * @param {typeof VIEWS[number]} view
 * @param {string} name of the files to write
 * @returns {Promise<string[]>} what is wrong
 */
async function look(browser, file, { viewport, colorScheme }, name) {
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 1 });
  const page = await context.newPage();
  const address = addressOf(file);
  /** @type {string[]} */
  const wrong = [];
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(address).origin) wrong.push(`fetches ${request.url()}`);
  });
  page.on("console", (message) => wrong.push(`says ${message.text()}`));
  await page.goto(address);
  await page.screenshot({ path: `${name}.png`, fullPage: true });
  await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
  const width = /** @type {number} */ (await page.evaluate("document.documentElement.scrollWidth"));
  if (width > viewport.width) wrong.push(`is ${width} px wide on a page of ${viewport.width}`);
  await page.evaluate(AXE);
  wrong.push(.../** @type {string[]} */ (await page.evaluate(FIND)));
  await context.close();
  return wrong;
}

const browser = await chromium.launch({ executablePath: values.chromium, args: ["--no-sandbox"] });
try {
  for (const file of positionals) {
    const folder = join(
      values.output,
      isServed(file) ? new URL(file).pathname.replaceAll("/", "_") : basename(resolve(file, "..")),
    );
    mkdirSync(folder, { recursive: true });
    for (const view of VIEWS)
      for (const line of await look(browser, file, view, join(folder, view.name))) {
        console.error(`${file} (${view.name}): ${line}`);
        process.exitCode = 1;
      }
    const page = await browser.newPage();
    await page.goto(addressOf(file));
    await page.pdf({ path: join(folder, "print.pdf"), format: "A4" });
    await page.close();
  }
} finally {
  await browser.close();
}
