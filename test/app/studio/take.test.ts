// The screen Take it along: what a run can become, downloads, and the page for browsers.
import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { fromBuffer } from "yauzl";
import { finishedRun } from "../../../src/app/studio/answers/finishedRuns.js";
import { snippetsFor } from "../../../src/app/studio/exports/snippets.js";
import { whyNoPage } from "../../../src/app/studio/exports/webPage.js";
import { zipOf } from "../../../src/app/studio/exports/zip.js";
import { StudioFolder } from "../../../src/app/studio/folder.js";
import { freshPath } from "../../support/workFolder.js";
import { CLASSIFIER, writeRun } from "./runs.js";
import { openStudio, until } from "./support.js";

const documentOf = (page: string) => parseHTML(page).document;

/** A folder in exports/ with these files, and how it was made. */
function writeExport(folder: string, name: string, files: Readonly<Record<string, string>>, making?: object): void {
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, "exports", name, file);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }
  if (making) writeFileSync(join(folder, "exports", `.${name}.json`), JSON.stringify(making));
}

const unzipped = async (answer: Response) => {
  const files = unzipSync(new Uint8Array(await answer.arrayBuffer()));
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));
};

/** The files of an archive, as yauzl reads them: it checks sizes and checksums. */
const entriesOf = (bytes: Buffer): Promise<Map<string, Buffer>> =>
  new Promise((resolve, reject) => {
    const found = new Map<string, Buffer>();
    fromBuffer(bytes, { lazyEntries: true }, (fault, zip) => {
      if (fault) return reject(fault);
      zip.on("error", reject);
      zip.on("end", () => resolve(found));
      zip.on("entry", (entry) => {
        zip.openReadStream(entry, (error, stream) => {
          if (error) return reject(error);
          const parts: Buffer[] = [];
          stream.on("data", (part: Buffer) => parts.push(part));
          stream.on("error", reject);
          stream.on("end", () => {
            found.set(entry.fileName, Buffer.concat(parts));
            zip.readEntry();
          });
        });
      });
      zip.readEntry();
    });
  });

test("before a run has finished the screen leads to training", async () => {
  expect(await (await openStudio()).page("/take")).toContain('<a href="/train">');
});

test("the adapter is downloaded without what the run has noted about itself", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one", { predictions: [] });
  const run = join(studio.folder, "runs", "one");
  for (const name of ["adapter_model.safetensors", "tokenizer.json", "events.jsonl", "report.html"])
    writeFileSync(join(run, name), name);
  mkdirSync(join(run, "checkpoint-4"));
  writeFileSync(join(run, "checkpoint-4", "adapter_model.safetensors"), "a state");
  const answer = await studio.get("/take/adapter/one");
  expect(answer.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''one.zip");
  const files = await unzipped(answer);
  expect(Object.keys(files).sort()).toEqual([
    "one/adapter_config.json",
    "one/adapter_model.safetensors",
    "one/bidora.json",
    "one/tokenizer.json",
  ]);
  expect(files["one/tokenizer.json"]).toBe("tokenizer.json");
  expect((await studio.get("/take/adapter/none")).status).toBe(404);
});

test("exports are listed with what they cost, downloaded whole, and removed", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  const graphs = [
    {
      path: "x",
      dtype: "fp32",
      bytes: 2 ** 21,
      error: 0,
      metrics: { accuracy: 0.5 },
      float32Metrics: { accuracy: 0.5 },
    },
    { path: "x", dtype: "q8", bytes: 2 ** 20, error: 0.0123, metrics: { accuracy: 0.25 } },
  ];
  const making = { run: "one", kind: "onnx", words: ["export", "--to", "onnx"], files: graphs };
  writeExport(studio.folder, "one-onnx", { "config.json": "{}", "onnx/model.onnx": "graph" }, making);
  writeExport(studio.folder, "begun", { ".bidora-lock.1": "" });
  writeExport(studio.folder, "from-elsewhere", { "a.txt": "a" }, { run: 3 });
  const page = await studio.page("/take?run=one");
  const cells = [...documentOf(page).querySelectorAll("#exports tbody tr")].map((row) =>
    [...row.children].map(({ textContent }) => textContent),
  );
  expect(cells).toEqual([
    ["fp32", "2 MiB", "0.00", "0.5000"],
    ["q8", "1 MiB", "0.0123", "0.2500"],
  ]);
  expect(page).toContain("npx bidora export --to onnx");
  expect(page).not.toContain("begun");
  expect(await unzipped(await studio.get("/take/zip/one-onnx"))).toEqual({
    "one-onnx/config.json": "{}",
    "one-onnx/onnx/model.onnx": "graph",
  });
  expect((await studio.post("/take/remove", { name: "one-onnx" })).status).toBe(303);
  expect(existsSync(join(studio.folder, "exports", "one-onnx"))).toBe(false);
  expect(existsSync(join(studio.folder, "exports", ".one-onnx.json"))).toBe(false);
  const refused = await studio.post("/take/remove", { name: "../rows" });
  expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining("can&#39;t be a name here")]);
});

test("an export of a run that was removed is not said to be of the next run of its name", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  const { time } = finishedRun(new StudioFolder(studio.folder), "one")!;
  writeExport(
    studio.folder,
    "one-merged",
    { "config.json": "{}" },
    { run: "one", ended: time, kind: "merged", words: [] },
  );
  const said = async () =>
    [...documentOf(await studio.page("/take")).querySelectorAll("#exports dd")].map((one) => one.textContent);
  expect(await said()).toContain("one");
  utimesSync(join(studio.folder, "runs", "one", "metrics.json"), 2e9, 2e9);
  expect(await said()).toContain("one, an earlier run of this name");
});

test("nothing is made before it is known what can be made; a question that failed is asked again", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  const makesOf = (page: string) =>
    [...documentOf(page).querySelectorAll("button[id^=make-]")].map((made) => made.hasAttribute("disabled"));
  const first = await studio.page("/take");
  expect(first).toContain("Looking at what it can be exported to");
  expect(makesOf(first)).toContain(true);
  expect(makesOf(first)).not.toContain(false);
  const failed = await until(studio, "/take", "Try again");
  expect(documentOf(failed).querySelector("#asking")?.className).toBe("problem");
  expect(makesOf(failed)).not.toContain(false);
  expect(failed).not.toContain("npx bidora export");
  expect((await studio.post("/take/again")).status).toBe(303);
  expect(await studio.page("/take")).toContain("Looking at what it can be exported to");
});

test("a page with a model has its files, and no others", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  writeExport(
    studio.folder,
    "one-onnx",
    { "config.json": "{}", "onnx/model.onnx": "graph" },
    { run: "one", kind: "onnx", words: [] },
  );
  const at = async (path: string) => {
    const answer = await studio.get(`/take/web/one-onnx/${path}`);
    return [answer.status, answer.headers.get("content-type")];
  };
  expect((await studio.get("/take/web/one-onnx")).headers.get("location")).toBe("/take/web/one-onnx/");
  expect(await at("")).toEqual([200, "text/html; charset=utf-8"]);
  expect(await at("main.js")).toEqual([200, "text/javascript; charset=utf-8"]);
  expect(await at("model/config.json")).toEqual([200, "application/json"]);
  expect(await at("node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm")).toEqual([200, "application/wasm"]);
  expect((await at("model/onnx/other.onnx"))[0]).toBe(404);
  expect((await at("model/..%2F..%2F..%2Frun.yaml"))[0]).toBe(404);
  const policy = async (path: string) => (await studio.get(path)).headers.get("content-security-policy");
  expect(await policy("/take/web/one-onnx/")).toContain("'wasm-unsafe-eval'");
  expect(await policy("/take")).not.toContain("wasm");
  const names = Object.keys(await unzipped(await studio.get("/take/page/one-onnx")));
  expect(names).toEqual(
    expect.arrayContaining([
      "one-onnx-page/index.html",
      "one-onnx-page/model/onnx/model.onnx",
      "one-onnx-page/node_modules/@huggingface/transformers/dist/transformers.min.js",
    ]),
  );
});

test("names of exports may have letters of any language", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "größe+1");
  writeExport(studio.folder, "größe+1-onnx", { "config.json": "{}" }, { run: "größe+1", kind: "onnx", words: [] });
  const links = [...documentOf(await studio.page("/take")).querySelectorAll("main a[href^='/take/']")];
  const found = links.map((link) => link.getAttribute("href")!);
  expect(found).toHaveLength(4);
  for (const link of found) expect([link, (await studio.get(encodeURI(link))).status]).toEqual([link, 200]);
  expect((await studio.get(encodeURI("/take/web/größe+1-onnx/model/config.json"))).status).toBe(200);
});

test("only runs whose rows fit the page get one", () => {
  const folder = freshPath("studio");
  const why = (name: string, metadata: object) => {
    writeRun(folder, name, { metadata: { ...CLASSIFIER, ...metadata } });
    return whyNoPage(finishedRun(new StudioFolder(folder), name)!);
  };
  expect(why("one", {})).toBeUndefined();
  expect(why("pairs", { textColumns: ["a", "b"] })).toContain("takes pairs");
  expect(why("number", { task: "regression" })).toContain("no form for regression");
  expect(why("rerank", { task: "reranking" })).toContain("no form for reranking");
  // What it embeds is one text, whatever the columns that it was trained on.
  expect(why("search", { task: "embedding", textColumns: ["anchor", "positive"] })).toBeUndefined();
});

test("an archive of many parts is read by other programs", async () => {
  const folder = freshPath("files");
  mkdirSync(folder);
  const large = Buffer.from(Array.from({ length: 3 * 2 ** 20 + 5 }, (_, i) => i % 251));
  writeFileSync(join(folder, "large"), large);
  writeFileSync(join(folder, "empty"), "");
  const files = ["large", "empty"].map((name) => ({ name: `x/${name} ü`, path: join(folder, name) }));
  const bytes = Buffer.from(await new Response(zipOf(files)).arrayBuffer());
  const read = await entriesOf(bytes);
  expect([...read.keys()]).toEqual(["x/large ü", "x/empty ü"]);
  expect(read.get("x/large ü")?.equals(large)).toBe(true);
  expect(read.get("x/empty ü")).toHaveLength(0);
});

test("what is not chosen is not made", async () => {
  const studio = await openStudio();
  writeRun(studio.folder, "one");
  const refusal = async (fields: Readonly<Record<string, string>>) => {
    const answer = await studio.post("/take/make", fields);
    return [answer.status, documentOf(await answer.text()).querySelector("#problem")?.textContent];
  };
  expect(await refusal({ run: "one", make: "onnx" })).toEqual([422, "Choose a data type first."]);
  expect(await refusal({ run: "none", make: "onnx" })).toEqual([422, "There is no finished run of this name."]);
  expect(await refusal({ run: "one" })).toEqual([422, "Choose what to make first."]);
});

test("programs have the server's address and the model's name", () => {
  const at = { url: "http://127.0.0.1:8123", model: "my-run" };
  const titles = (task: string, isChat = false) => snippetsFor({ ...at, task, isChat }).map(({ title }) => title);
  expect(titles("causal-lm", true)).toEqual(["curl", "openai for Python", "openai for Node", "AI SDK"]);
  expect(titles("reranking")).toEqual(["curl", "Node", "Python"]);
  expect(titles("regression")).toEqual([]);
  for (const task of ["causal-lm", "preference", "embedding", "reranking"])
    for (const { text } of snippetsFor({ ...at, task, isChat: task === "preference" })) {
      expect(text).toContain("http://127.0.0.1:8123/v1");
      expect(text).toContain("my-run");
    }
});
