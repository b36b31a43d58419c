// Takes the pictures of docs/studio.md and the README, light and dark: a studio in a temporary folder, the way of a new user from a CSV file to an answer, in Chromium.
// Needs the model of the quickstart in the cache (npm start), which the studio suggests for such rows.
// Usage: node scripts/studio-pictures.js [--chromium PATH] [--output docs/studio]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values } = parseArgs({
  options: {
    chromium: { type: "string", default: "/usr/bin/chromium-headless-shell" },
    output: { type: "string", default: "docs/studio" },
  },
});
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VIEW = { width: 1180, height: 800 };
/** Milliseconds for what moves to come to rest. */
const REST = 600;

/** The bundled messages as a spreadsheet program writes them. */
function messages() {
  const [, ...lines] = readFileSync(join(ROOT, "examples/data/sms_spam/train.tsv"), "utf8").trim().split("\n");
  const rows = [...lines, ...lines.slice(0, 12)].map((line) => line.split("\t"));
  return `label,message\n${rows.map(([label, text = ""]) => `${label},"${text.replaceAll('"', '""')}"\n`).join("")}`;
}

/** Starts a studio. @param {string} folder */
async function started(folder) {
  const words = [join(ROOT, "bin/bidora.js"), "studio", folder, "--port", "0"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
  const [line] = await once(child.stderr, "data");
  const [url = ""] = /http\S+/.exec(String(line)) ?? [];
  return { url, child };
}

/** @param {import("playwright-core").Page} page @param {string} name @param {string} [at] what is at the top of the picture */
async function picture(page, name, at) {
  await page.evaluate((selector) => {
    if (selector) document.querySelector(selector)?.scrollIntoView();
    else scrollTo(0, 0);
  }, at);
  for (const [colorScheme, suffix] of /** @type {const} */ ([
    ["dark", "-dark"],
    ["light", ""],
  ])) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(REST);
    await page.screenshot({ path: join(values.output, `${name}${suffix}.png`) });
  }
}

/** Goes to a screen. @param {import("playwright-core").Page} page @param {string} name */
const step = (page, name) => page.getByRole("navigation", { name: "Steps" }).getByRole("link", { name }).click();

/** Trains a run with these settings. @param {import("playwright-core").Page} page @param {string} method @param {number} steps */
async function trained(page, method, steps) {
  await step(page, "Train");
  await page.locator(`input[type=radio][value=${method}]`).check();
  await page.getByLabel("Max steps").fill(String(steps));
  await page.locator("#start").getByText(`${steps} steps`).waitFor();
  await page.getByRole("button", { name: "Start", exact: true }).click();
}

/** @param {import("playwright-core").Page} page */
async function walk(page) {
  const rows = join(folder, "messages.csv");
  writeFileSync(rows, messages());
  await page.locator("input[type=file]").setInputFiles(rows);
  await page.getByText("label has 2 distinct values").waitFor();
  await page.getByText("Labels").first().waitFor();
  await picture(page, "data", "#columns");
  await page.getByRole("button", { name: "Split, and use the parts" }).click();
  await page.getByText("-train.jsonl").first().waitFor();
  await trained(page, "lora", 200);
  await page.getByText("Running").first().waitFor({ timeout: 60_000 });
  await page.locator("figure .plot").first().waitFor({ timeout: 60_000 });
  await page.waitForTimeout(4000);
  await picture(page, "train", "#run");
  await page.getByText("Test accuracy").first().waitFor({ timeout: 600_000 });
  await trained(page, "dora", 200);
  await page.locator("#ended-dora").getByText("Done").waitFor({ timeout: 600_000 });
  await step(page, "Try");
  for (const box of await page.locator("input[type=checkbox]").all()) await box.check();
  await page.getByLabel("message").fill("Congratulations! You have won a free phone. Call 0900 123 now to claim it.");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.getByText("Opening and asking").first().waitFor();
  await page.getByText("Opening and asking").first().waitFor({ state: "hidden", timeout: 60_000 });
  await picture(page, "try");
}

const folder = mkdtempSync(join(tmpdir(), "bidora-studio-"));
mkdirSync(values.output, { recursive: true });
const { url, child } = await started(join(folder, "spam"));
const browser = await chromium.launch({ executablePath: values.chromium, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: VIEW });
  await page.goto(url);
  await walk(page);
} finally {
  await browser.close();
  child.kill("SIGINT");
  await once(child, "close");
  rmSync(folder, { recursive: true, force: true });
}
