// The whole way in Chromium, where there is one: from a CSV file to an answer and an export, by clicks alone.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCREENS } from "../../../src/app/studio/screens.js";
import { listen, type StudioServer } from "../../../src/app/studio/server.js";
import { packageRoot } from "../../../src/base/index.js";
import { GOLDEN } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"].find((path) => existsSync(path));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** Messages of the bundled data as a spreadsheet program writes them, one of them twice. */
function messages(): string {
  const [, ...lines] = readFileSync(join(packageRoot, "examples/data/sms_spam/train.tsv"), "utf8").trim().split("\n");
  const rows = [...lines.slice(0, 240), lines[0]!].map((line) => line.split("\t") as [string, string]);
  return ["kind,message", ...rows.map(([label, text]) => `${label},${quoted(text)}`), ""].join("\r\n");
}

test("the script of the pages is small", () => {
  const script = readFileSync(join(packageRoot, "dist/studio.js"));
  expect(gzipSync(script).length).toBeLessThan(20_000);
});

describe.runIf(CHROMIUM !== undefined)("in a browser", () => {
  const folder = freshPath("spam");
  let browser: Browser;
  let page: Page;
  let server: StudioServer;

  /** Starts a studio, and opens it. */
  async function open(): Promise<void> {
    server = await listen(folder, 0);
    const context = await browser.newContext({ bypassCSP: true, viewport: { width: 390, height: 844 } });
    page = await context.newPage();
    await page.goto(server.url);
  }

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
    await open();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const step = (name: string) => page.getByRole("navigation", { name: "Steps" }).getByRole("link", { name }).click();
  const button = (name: string) => page.getByRole("button", { name, exact: true });

  /** What axe finds on the page, and whether it is wider than a phone. */
  async function faults(): Promise<string[]> {
    await page.addScriptTag({ content: AXE });
    const found = await page.evaluate<string[]>(
      `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + " " + target.join(" "))))`,
    );
    const width = await page.evaluate<number>("document.documentElement.scrollWidth");
    return width > 390 ? [...found, `${width} pixels wide`] : found;
  }

  test("from a CSV file to an answer and an export", async () => {
    const csv = freshPath("messages.csv");
    writeFileSync(csv, messages());
    await page.locator("input[type=file]").setInputFiles(csv);
    await page.getByText("kind has 2 distinct values").waitFor();
    await button("Split, and use the parts").click();
    await page.getByText("-train.jsonl").first().waitFor();

    await step("Model");
    await page.getByLabel("Another folder, or a GGUF file").fill(join(GOLDEN, "bert/single"));
    await button("Look there").click();
    await button("Choose").last().click();
    await page.getByRole("heading", { name: /^Model of the next run: .*single/ }).waitFor();

    await step("Mask");
    await page.getByText("target: ham").first().waitFor();

    await step("Train");
    await page.getByRole("radio", { name: /LoRA/ }).first().check();
    await page.getByLabel("Max steps").fill("20");
    await page.getByText("20 steps").waitFor();
    await button("Start").click();
    await page.getByText("Test accuracy").first().waitFor({ timeout: 100_000 });

    await step("Try");
    await page.getByLabel("message").fill("You have won a prize: call now");
    await button("Ask").click();
    await page.getByText(/\d %/).first().waitFor({ timeout: 60_000 });

    await step("Take it along");
    await page.locator("#make-onnx").click();
    await page.locator("a[href='/take/zip/lora-onnx']").waitFor({ timeout: 60_000 });
    expect(readdirSync(join(folder, "exports/lora-onnx/onnx"))).toContain("model.onnx");
  });

  test.each(SCREENS.map(({ title }) => title))("%s has no fault on a phone, after all that", async (title) => {
    await step(title);
    await page.getByRole("heading", { name: title, level: 1 }).waitFor();
    expect(await faults()).toEqual([]);
  });

  test("after the studio was closed, another one goes on with the same folder, and a second tab is equal", async () => {
    await server.close();
    await page.close();
    await open();
    await step("Train");
    await page.getByText("Test accuracy").first().waitFor();
    const other = await page.context().newPage();
    await other.goto(page.url());
    for (const part of ["#command-text", "#start"])
      expect(await other.locator(part).textContent()).toBe(await page.locator(part).textContent());
    await other.getByText("Test accuracy").first().waitFor();
  });
});
