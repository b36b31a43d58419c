// Runs that are kept without weights and texts, and a comparison that goes on from them.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { compare } from "../../src/app/commands/compare.js";
import { RUN_FILE } from "../../src/base/records/index.js";
import { readRunFile } from "../../src/tasks/config/index.js";
import { small } from "../e2e/comparison/small.js";
import { fresh } from "../e2e/support.js";

const { file } = small();

const SCRIPT = fileURLToPath(new URL("../../scripts/studies/keep-runs.js", import.meta.url));
const script = (...words: readonly string[]) => spawnSync(process.execPath, [SCRIPT, ...words], { encoding: "utf8" });

/** Makes what is missing in a comparison. @returns the runs that it started, and the text of its result */
async function compared(output: string) {
  const started = new Set<string>();
  const flags = { methods: ["lora", "bitfit"], seeds: [0], grid: ["learningRate=1e-2"], runFile: file, output };
  const onEvent = (event: { event: string }, run: { method: string; seed: number }) =>
    event.event === "start" && started.add(`${run.method} ${run.seed}`);
  await compare(flags, { onEvent });
  return { started: [...started], text: readFileSync(join(output, "comparison.json"), "utf8") };
}

function kept(runs: string): { store: string; bytes: Buffer; lines: string[] } {
  const store = fresh("store");
  expect(script(runs, store)).toMatchObject({ status: 0, stderr: "" });
  const bytes = readFileSync(join(store, "sequence-classification.jsonl.br"));
  return { store, bytes, lines: brotliDecompressSync(bytes).toString().trimEnd().split("\n") };
}

test("a comparison that goes on from kept runs starts none, or those that are missing, and writes the same file", async () => {
  const made = fresh("made");
  const first = await compared(made);
  expect(first.started).toEqual(["lora 0", "bitfit 0"]);
  const { store, bytes, lines } = kept(made);
  expect(kept(made).bytes).toEqual(bytes);
  const restored = fresh("restored");
  expect(script("--restore", store, restored)).toMatchObject({ status: 0, stderr: "" });
  expect(await compared(restored)).toEqual({ started: [], text: first.text });
  expect(kept(restored).bytes).toEqual(bytes);

  const run = join(restored, "sequence-classification/bitfit/seed-0");
  rmSync(run, { recursive: true });
  expect((await compared(restored)).started).toEqual(["bitfit 0"]);

  const own = "made here";
  writeFileSync(join(run, "metrics.json"), own);
  expect(script("--restore", store, restored).status).toBe(0);
  expect(readFileSync(join(run, "metrics.json"), "utf8")).toBe(own);

  const predictions = lines.filter((line) => line.includes("validation-predictions.jsonl"));
  expect(predictions.length).toBe(4);
  expect(lines.join("")).not.toContain("other 3"); // a row's text
}, 200_000);

/** A folder with one run whose log has these lines. */
function runWith(name: string, log: readonly object[], files: Readonly<Record<string, string>> = {}): string {
  const runs = fresh(name);
  const run = join(runs, "sequence-classification/lora/seed-0");
  mkdirSync(run, { recursive: true });
  const lines = log.map((event) => `${JSON.stringify(event)}\n`).join("");
  for (const [file, text] of Object.entries({ ".bidora-run": "", "events.jsonl": lines, ...files }))
    writeFileSync(join(run, file), text);
  return runs;
}

const step = (loss: number) => ({ event: "step", phase: "train", step: 10001, loss, rows: 4 });
const failed = { event: "error", code: "LOSS_NOT_FINITE", message: "The loss is not finite." };

test("a run that failed is kept, with rounded losses of steps; one that goes on is not", () => {
  const { lines } = kept(
    runWith("failed", [step(0.123456), { event: "checkpoint", path: "/home/me/checkpoint-1" }, failed]),
  );
  const { text } = JSON.parse(lines.find((line) => line.includes("events.jsonl"))!) as { text: string };
  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([{ ...step(0.1235) }, { event: "checkpoint", path: "checkpoint-1" }, failed]);
  const store = fresh("nothing");
  expect(script(runWith("going", [step(1)]), store).status).toBe(0);
  expect(readdirSync(store)).toEqual([]);
});

test("texts that a model wrote are refused, and paths that lead out of the folder", () => {
  const prediction = { file: "a", line: 1, reference: "x", prediction: { text: "a row's words" } };
  const texts = runWith("texts", [failed], { "validation-predictions.jsonl": JSON.stringify(prediction) });
  expect(script(texts, fresh("store")).stderr).toContain("a prediction has text");
  const tagged = { file: "a", line: 1, text: "a word", reference: ["X", "Y"], prediction: { tokens: ["a", "word"] } };
  const { lines: ofTags } = kept(
    runWith("tagged", [failed], { "validation-predictions.jsonl": JSON.stringify(tagged) }),
  );
  expect(ofTags.join("")).toContain(
    JSON.stringify({ tokens: ["", ""] })
      .slice(1, -1)
      .replaceAll('"', '\\"'),
  );
  expect(ofTags.join("")).not.toContain("word");
  const [store, runs] = [fresh("evil"), fresh("runs")];
  mkdirSync(store);
  const lines = [
    { plan: {}, failures: {}, stepSeconds: {} },
    { path: "../../outside", text: "" },
  ];
  writeFileSync(join(store, "t.jsonl.br"), brotliCompressSync(lines.map((line) => JSON.stringify(line)).join("\n")));
  expect(script("--restore", store, runs).stderr).toContain("no path within");
  expect(existsSync(runs)).toBe(false);
});

test("runs that compare only collects are put back without a plan, which would refuse them", () => {
  const { store } = kept(runWith("collected", [step(1), failed]));
  const restored = fresh("restored");
  expect(script("--restore", store, restored)).toMatchObject({ status: 0, stderr: "" });
  expect(existsSync(join(restored, "sequence-classification/lora/seed-0/events.jsonl"))).toBe(true);
  expect(existsSync(join(restored, "comparison-plan.json"))).toBe(false);
});

const results = fileURLToPath(new URL("../../docs/results", import.meta.url));
const studies = readdirSync(results).filter((name) => existsSync(join(results, name, "kept")));

test.each(studies)("this version reads the settings of the runs that are kept of the study %s", (name) => {
  const runs = fresh(`study-${name}`);
  expect(script("--restore", join(results, name, "kept"), runs)).toMatchObject({ status: 0, stderr: "" });
  const files = readdirSync(runs, { recursive: true, encoding: "utf8" }).filter((path) => basename(path) === RUN_FILE);
  expect(files.length).toBeGreaterThan(20);
  const starts = new Set(files.map((path) => readRunFile(join(runs, path)).initLoraWeights));
  expect([...starts]).toEqual(["default"]);
});
