// The page of examples/web in Chromium, where there is one, with exported models.
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportModel } from "../../src/app/commands/models/export.js";
import { generate } from "../../src/app/commands/models/generate.js";
import { load } from "../../src/app/commands/models/load.js";
import { GOLDEN } from "../support/golden.js";
import { freshPath } from "../support/workFolder.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"].find((path) => existsSync(path));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

let model = "";

/** Serves the page, the model, and the packages that are installed here. */
const server: Server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url as string, "http://page").pathname));
  const [, top = "", ...rest] = path.split("/");
  const folder = { model, node_modules: join(ROOT, "node_modules") }[top];
  const file = folder === undefined ? join(ROOT, "examples", "web", path) : join(folder, ...rest);
  if (!existsSync(file)) return void response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
  response.end(request.method === "HEAD" ? undefined : readFileSync(file));
});

describe.runIf(CHROMIUM !== undefined)("the page", () => {
  let browser: Browser;
  let url = "";

  beforeAll(async () => {
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  /** What the page shows for a text. */
  async function shown(text: string): Promise<{ task: string; output: string }> {
    const page = await browser.newPage();
    try {
      await page.goto(`${url}/index.html`);
      await page.waitForSelector("button:enabled");
      await page.fill("textarea", text);
      await page.click("button");
      await page.waitForFunction('document.querySelector("output").textContent !== ""');
      const [task, output] = await Promise.all([page.textContent("h1"), page.textContent("output")]);
      return { task: task as string, output: output as string };
    } finally {
      await page.close();
    }
  }

  test.each(["fp32", "q8", "q4", "q4f16"] as const)("classifies with %s", async (dtype) => {
    model = freshPath("onnx");
    await exportModel({ model: join(GOLDEN, "bert/single"), to: "onnx", dtype: [dtype], output: model });
    const { task, output } = await shown("a good day");
    expect(task).toBe("text-classification");
    await using own = await load({ model: join(GOLDEN, "bert/single"), dtype: "float32" });
    const [expected] = await own.predict(["a good day"]);
    expect(output.split("\n")[0]).toContain(expected?.label);
    if (dtype === "fp32") expect(output).toContain(`${(100 * (expected?.score as number)).toFixed(1)} %`);
  });

  test("generates", async () => {
    model = freshPath("onnx");
    const source = join(GOLDEN, "generation/llama");
    await exportModel({ model: source, to: "onnx", output: model });
    const { task, output } = await shown("the small");
    expect(task).toBe("text-generation");
    const [expected] = await generate({ model: source, prompt: "the small", maxNewTokens: 64, dtype: "float32" });
    expect(output).toBe(`the small${expected?.text}`);
  });

  test("ranks lines by their embeddings", async () => {
    model = freshPath("onnx");
    const source = join(GOLDEN, "bert/no-prefix");
    await exportModel({ model: source, to: "onnx", output: model });
    const { task, output } = await shown("a good day\nno\na good day");
    expect(task).toBe("feature-extraction");
    expect(output).toMatch(/^1\.000 a good day\n\S+ no$/);
  });
});
