// What pages keep while the server's news change them, in Chromium, where there is one.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { listen, type StudioServer } from "../../../src/app/studio/server.js";
import { makeFolder } from "../../../src/base/index.js";
import { GOLDEN } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"].find((path) => existsSync(path));

describe.runIf(CHROMIUM !== undefined)("pages", () => {
  const folder = freshPath("pages");
  let browser: Browser;
  let page: Page;
  let other: Page;
  let server: StudioServer;

  beforeAll(async () => {
    makeFolder(join(folder, "rows"));
    const rows = Array.from({ length: 20 }, (_, i) => ({ text: `a row ${i}`, label: i % 3 ? "ham" : "spam" }));
    writeFileSync(join(folder, "rows/msgs.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const run = { model: join(GOLDEN, "bert/single"), task: "sequence-classification", train: "rows/msgs.jsonl" };
    writeFileSync(join(folder, "run.yaml"), JSON.stringify({ ...run, method: "lora" }));
    server = await listen(folder, 0);
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
    const context = await browser.newContext();
    [page, other] = [await context.newPage(), await context.newPage()];
    for (const tab of [page, other]) await tab.goto(server.url);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });
  beforeEach(async () => {
    for (const tab of [page, other]) await tab.goto(new URL("/train", server.url).href);
  });

  const runFile = () => readFileSync(join(folder, "run.yaml"), "utf8");

  /** Changes a setting in the other tab, and waits until the first one has heard of it. */
  async function change(rank: number): Promise<void> {
    await other.getByLabel("Rank", { exact: true }).fill(String(rank));
    await other.getByLabel("Rank", { exact: true }).blur();
    await expect.poll(runFile).toContain(`rank: ${rank}`);
    await page.waitForTimeout(1500);
  }

  test("what is typed and not sent yet stays when another tab changes the run", async () => {
    await page.goto(new URL("/data?file=msgs.jsonl", server.url).href);
    await page.getByLabel("Validation, % of the rows").fill("25");
    await page.getByLabel("Seed").fill("7");
    await page.getByText("Paste rows instead").click();
    await page.getByLabel("Rows as CSV").fill("text,label\nhello,ham");
    await page.getByLabel("Seed").focus();
    await change(16);
    expect(await page.getByLabel("Validation, % of the rows").inputValue()).toBe("25");
    expect(await page.getByLabel("Rows as CSV").inputValue()).toBe("text,label\nhello,ham");
  });

  test("why a setting was refused stays to be read, and the next setting takes its place", async () => {
    await page.getByLabel("Learning rate", { exact: true }).fill("abc");
    await page.locator("#problem .problem").waitFor();
    const sentence = await page.locator("#problem").textContent();
    await change(4);
    expect(await page.locator("#problem").textContent()).toBe(sentence);
    expect(await page.getByLabel("Learning rate", { exact: true }).inputValue()).toBe("abc");
    await page.getByLabel("Epochs", { exact: true }).fill("2");
    await expect.poll(runFile).toContain("epochs: 2");
    await expect.poll(() => page.locator("#problem .problem").count()).toBe(0);
  });

  test("a run does not start with a setting that is refused at that moment", async () => {
    // At once, before the setting is sent by itself.
    await page.evaluate(
      `const input = document.getElementById("field-learningRate");
      input.value = "abc";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      document.getElementById("button-start").click();`,
    );
    await page.locator("#problem .problem").waitFor();
    await page.waitForTimeout(500);
    expect(existsSync(join(folder, "queue/lora.yaml"))).toBe(false);
    expect(existsSync(join(folder, "runs/lora"))).toBe(false);
  });
});
