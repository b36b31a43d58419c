// The models that the studio offers, and what it refuses.
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { modelState } from "../../../src/app/studio/model/fileStates.js";
import { Findings } from "../../../src/app/studio/model/findings.js";
import { isOnMachine, modelsAt, modelsInCache, modelsNear } from "../../../src/app/studio/model/found.js";
import { rowPart } from "../../../src/app/studio/model/maskRow.js";
import { GOLDEN } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";
import { openStudio } from "./support.js";

const MODEL = join(GOLDEN, "bert/single");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const cache = freshPath("hub");

/** Puts a model into the cache as the Hub's programs do. */
function cached(name: string, isWhole = true): void {
  const folder = join(cache, `models--${name.replace("/", "--")}`);
  const snapshot = join(folder, "snapshots", COMMIT);
  cpSync(MODEL, snapshot, { recursive: true, filter: (path) => isWhole || !path.endsWith(".safetensors") });
  mkdirSync(join(folder, "refs"));
  writeFileSync(join(folder, "refs", "main"), COMMIT);
}

beforeAll(() => {
  vi.stubEnv("HF_HUB_CACHE", cache);
  vi.stubEnv("XDG_CACHE_HOME", freshPath("cache"));
  cached("org/tiny-model");
  cached("org/partial", false);
  cached("bert");
});

/** A studio's folder with rows, and models of each kind in it. */
function folderWithModels(): string {
  const folder = freshPath("studio");
  mkdirSync(join(folder, "rows"), { recursive: true });
  writeFileSync(
    join(folder, "rows", "train.jsonl"),
    '{"text":"cold rain","label":"bad"}\n{"text":"sun","label":"good"}\n'.repeat(60),
  );
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    cpSync(from, join(folder, to), { recursive: true });
  };
  copy(MODEL, "exports/merged");
  copy(join(GOLDEN, "io/gguf/smollm.gguf"), "model.gguf");
  copy(join(GOLDEN, "bert/sharded"), "models/sharded");
  copy(join(MODEL, "config.json"), "models/without-weights/config.json");
  return folder;
}

test("whole models in the Hub's cache are offered by their names", () => {
  expect(modelsInCache().map(({ name, place }) => [name, place])).toEqual([
    ["bert", "in the Hub’s cache"],
    ["org/tiny-model", "in the Hub’s cache"],
  ]);
  expect(modelsInCache()[0]!.bytes).toBeGreaterThan(10_000);
});

test("model folders and GGUF files near are offered by paths from the folder", () => {
  const folder = folderWithModels();
  expect(modelsNear(folder).map(({ name }) => name)).toEqual(["model.gguf", "models/sharded", "exports/merged"]);
  const far = modelsAt(folder, join(GOLDEN, "bert"));
  expect(far.map(({ name }) => name)).toContain(join(GOLDEN, "bert/single"));
  expect(modelsAt(folder, MODEL).map(({ name, place }) => [name, place])).toEqual([[MODEL, "on this machine"]]);
  vi.stubEnv("HOME", join(GOLDEN, "bert"));
  expect(modelsAt(folder, "~/single").map(({ name }) => name)).toEqual([MODEL]);
  for (const none of ["nowhere", "rows", "rows/train.jsonl"]) expect(modelsAt(folder, none), none).toEqual([]);
});

test("what can be opened without the Hub is on the machine", () => {
  const folder = folderWithModels();
  const names = ["org/tiny-model", "models/sharded", MODEL, "org/partial", "org/other", "models/none"];
  expect(names.map((name) => isOnMachine(folder, name))).toEqual([true, true, true, false, false, false]);
});

test("the page lists them with init's suggestion, and those at a path that is typed", async () => {
  const client = await openStudio(folderWithModels());
  writeFileSync(join(client.folder, "run.yaml"), "train: rows/train.jsonl\ntask: sequence-classification\n");
  const page = await client.page("/model");
  expect(page).toContain("For these rows: sentence-transformers/all-MiniLM-L6-v2, a small English encoder.");
  expect(page).toContain("Download and choose sentence-transformers/all-MiniLM-L6-v2");
  for (const name of ["org/tiny-model", "model.gguf", "exports/merged"])
    expect(page).toContain(`name="model" value="${name}"`);
  expect(page).toContain("No model is chosen yet.");
  expect(await client.page(`/model?path=${encodeURIComponent(MODEL)}`)).toContain(`name="model" value="${MODEL}"`);
  expect(await client.page("/model?path=nowhere")).toContain("no model folder and no GGUF file at nowhere");
});

test("only a model on this machine is chosen, and only a name of the Hub is downloaded", async () => {
  const client = await openStudio(folderWithModels());
  const gone = await client.post("/model/choose", { model: "org/other" });
  expect([gone.status, await gone.text()]).toEqual([422, expect.stringContaining("org/other is not on this machine")]);
  for (const name of ["../secret", "a/b/c", "--json", "https://example.com/x", "org/--x"]) {
    const refused = await client.post("/model/download", { name });
    expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining("has a name like org/name")]);
  }
  const empty = await client.post("/model/download", {});
  expect(await empty.text()).toContain("Give the name of a model first.");
  expect((await client.post("/model/choose", { model: "model.gguf" })).status).toBe(303);
  expect(readFileSync(join(client.folder, "run.yaml"), "utf8")).toBe("model: model.gguf\n");
});

test("a run.yaml that is wrong is told on the page, with its line", async () => {
  const client = await openStudio(folderWithModels());
  writeFileSync(join(client.folder, "run.yaml"), "model: model.gguf\nrank: many\n");
  for (const path of ["/model", "/mask"]) {
    const answer = await client.get(path);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toMatch(
      /role="alert"><p class="problem">.*run.yaml, line 2: rank takes a whole number/,
    );
  }
});

test("a row shows trained parts not by color alone, and what is cut off", () => {
  const parts = [
    { text: "the <b>", bearsLoss: false },
    { text: " boat", bearsLoss: true },
  ];
  const row = { line: 3, length: 4, inputIds: [], text: "", parts, cut: 7 };
  const naming = { labels: undefined, isMultiLabel: false };
  const { source } = rowPart(row, 0, naming);
  expect(source).toContain("the &lt;b&gt;");
  expect(source).toContain('<mark><span class="hidden">trained: </span> boat</mark>');
  expect(source).toContain("7 tokens cut off");
  const labels = ["bad", "good"];
  const target = (value: unknown, isMultiLabel = false) =>
    rowPart({ ...row, target: value }, 0, { labels, isMultiLabel }).source.match(/target: ([^<]*)/)![1];
  expect(target(1)).toBe("good");
  expect(target([0, 1], true)).toBe("[&quot;good&quot;]");
  const words = rowPart({ ...row, target: [-100, 1], tokens: ["[CLS]", "<b>"] }, 0, {
    labels,
    isMultiLabel: false,
  }).source;
  expect(words).toContain("<span>[CLS]</span> <mark>&lt;b&gt;<small>good</small></mark>");
  expect(words).not.toContain("target");
});

test("an answer about a model depends on each of its files, on the Hub's models too", () => {
  const folder = folderWithModels();
  const snapshot = join(cache, "models--org--tiny-model", "snapshots", COMMIT);
  const modules = join(folder, "exports/merged", "1_Pooling");
  mkdirSync(modules);
  const edited = [
    ["exports/merged", join(folder, "exports/merged", "config.json")],
    ["exports/merged", join(modules, "config.json")],
    ["org/tiny-model", join(snapshot, "config.json")],
    ["model.gguf", join(folder, "model.gguf")],
  ] as const;
  for (const [name, file] of edited) {
    const before = JSON.stringify(modelState(folder, name));
    expect(JSON.stringify(modelState(folder, name)), file).toBe(before);
    appendFileSync(file, " ");
    expect(JSON.stringify(modelState(folder, name)), file).not.toBe(before);
  }
  expect(modelState(folder, "org/other")).toBeUndefined();
});

test("the memory that is free is that of now, not that of the measurement", async () => {
  const measured = {
    peakMemoryBytes: 1,
    availableMemoryBytes: 1,
    seconds: 1,
    secondsPerStep: 1,
    steps: 1,
    warnings: [],
  };
  const values = [{ ...measured, parameters: { total: 2, trained: 1 } }];
  const ask = vi.spyOn(Findings.prototype, "ask").mockReturnValue({ state: "done", values });
  const client = await openStudio(folderWithModels());
  writeFileSync(
    join(client.folder, "run.yaml"),
    "model: exports/merged\ntrain: rows/train.jsonl\ntask: sequence-classification\ndevice: cpu\n",
  );
  const page = await client.page("/train");
  ask.mockRestore();
  const [, free = ""] = /class="memory-text">Memory: .* at the peak of (.*) that are free/.exec(page) ?? [];
  expect(free).toMatch(/[MG]iB$/);
});
