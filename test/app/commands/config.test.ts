// The settings of a run and where each comes from, before it begins, while it is unfinished, after it and after a resumption.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ConfigSettings, config, configCommand, type ResolvedSettings } from "../../../src/app/commands/config.js";
import { finetune, train } from "../../../src/app/commands/finetune.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { sequenceClassification } from "../../../src/tasks/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { GOLDEN } from "../../parity/goldenFiles.js";

const newFolder = temporaryFolders();
const MODEL = join(GOLDEN, "bert", "single");
const ADAPTER = join(GOLDEN, "bert", "adapters", "dora");
const SMALL = {
  model: MODEL,
  train: join(GOLDEN, "rows", "train.jsonl"),
  method: "lora",
  maxSteps: 3,
  batchSize: 4,
  dtype: "float32",
} as const;

const sourcesOf = (settings: ResolvedSettings) =>
  Object.fromEntries(Object.entries(settings).map(([key, { source }]) => [key, source]));

function runFile(text: string): string {
  const path = join(newFolder(), "run.yaml");
  writeFileSync(path, text);
  return path;
}

test("a YAML file and flags: each value has its highest-precedence source", async () => {
  const run = runFile(`model: ${MODEL}\nmethod: lora\nrank: 2\nmaxSteps: 5\n`);
  const found = await config({ run, rank: 4, maxSteps: 5 });
  expect(found).toMatchObject({
    model: { value: MODEL, source: "file" },
    method: { value: "lora", source: "file" },
    rank: { value: 4, source: "flag" },
    maxSteps: { value: 5, source: "flag" },
    alpha: { source: "default" },
    learningRate: { value: 1e-3, source: "derived" },
    output: { value: "runs/run-lora", source: "derived" },
    dtype: { value: "auto", source: "default" },
  });
  // Without effect beside maxSteps and with lora, or not known yet.
  for (const key of ["epochs", "xi", "textColumns", "json"]) expect(found).not.toHaveProperty(key);
});

test("an adapter to start from decides its method and rank", async () => {
  const found = sourcesOf(await config({ model: MODEL, adapter: ADAPTER }));
  expect(found).toMatchObject({ adapter: "flag", method: "adapter", rank: "adapter", batchSize: "default" });
});

test("settings that exclude each other are refused before the adapter is looked for", async () => {
  const missing = { adapter: "/nowhere/adapter" };
  const refused = (settings: ConfigSettings) => expect(config({ ...missing, ...settings })).rejects;
  await refused({ method: "bidora", dtype: "float16" }).toThrow(/float16 does not go with --method bidora/);
  await refused({ method: "adalora", adaloraInitRank: 2 }).toThrow(/adalora-init-rank 2 is below --rank 8/);
  const both = runFile("adapter: /nowhere/adapter\nresume: true\noverwrite: true\n");
  await expect(config({ run: both })).rejects.toThrow(/mutually exclusive/);
  // The adapter says which method it is.
  await refused({ dtype: "float16" }).toThrow(/nowhere/);
});

test("a YAML file that names an adapter to start from is still the source of its settings", async () => {
  const run = runFile(`model: ${MODEL}\nadapter: ${ADAPTER}\nbatchSize: 4\n`);
  expect(sourcesOf(await config({ run, seed: 1 }))).toMatchObject({
    ...{ model: "file", adapter: "file", batchSize: "file" },
    ...{ seed: "flag", method: "adapter", epochs: "default" },
  });
});

test("settings that finetune refuses are refused", async () => {
  await expect(config({})).rejects.toThrow(/^--model is missing/);
  await expect(config({ model: MODEL, method: "lora", xi: 0 })).rejects.toThrow(/^No effect in this run: --xi/);
});

test("a finished run: what model and data decided, and what they only confirmed", async () => {
  const output = join(newFolder(), "run");
  await finetune({ ...SMALL, textColumns: ["sentence1", "sentence2"], output });
  const found = await config({ run: output });
  expect(sourcesOf(found)).toMatchObject({
    ...{ model: "flag", train: "flag", method: "flag", maxSteps: "flag", batchSize: "flag", dtype: "flag" },
    ...{
      textColumns: "flag",
      output: "flag",
      labelColumn: "data",
      task: "data",
      maxLength: "data",
      targetModules: "data",
    },
    ...{ learningRate: "derived", rank: "default", seed: "default" },
  });
  expect(found.maxSteps?.value).toBe(3);
  expect(found).not.toHaveProperty("epochs");
  expect(Object.values(found).every(({ value }) => value !== undefined)).toBe(true);
});

test("an unfinished run, and its resumption from its own run.yaml", async () => {
  const output = join(newFolder(), "run");
  for await (const event of train({ ...SMALL, output })) if (event.event === "step") break;
  const before = await config({ run: output });
  expect(sourcesOf(before)).toMatchObject({ maxSteps: "flag", rank: "default" });
  await finetune({ runFile: join(output, "run.yaml"), resume: true, saveEvery: 2 });
  const after = await config({ run: output });
  expect(after).toEqual({ ...before, saveEvery: { value: 2, source: "flag" } });
});

test("the number of threads, which the log does not record, comes from the session that set it", async () => {
  const output = join(newFolder(), "run");
  const session = async (settings: RunSettings & { readonly runFile?: string }) => {
    for await (const event of train(settings)) if (event.event === "step") break;
    return (await config({ run: output })).threads;
  };
  expect(await session({ ...SMALL, output })).toBeUndefined();
  const resumed = { runFile: join(output, "run.yaml"), resume: true } as const;
  expect(await session({ ...resumed, threads: 1 })).toEqual({ value: 1, source: "flag" });
  expect(await session(resumed)).toEqual({ value: 1, source: "flag" });
});

test("a run of an earlier version, which did not write where settings come from", async () => {
  const output = join(newFolder(), "run");
  await finetune({ ...SMALL, output });
  const path = join(output, "events.jsonl");
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const { sources: _, ...start } = JSON.parse(lines[0] as string) as { sources: object };
  writeFileSync(path, [JSON.stringify(start), ...lines.slice(1), ""].join("\n"));
  const found = await config({ run: output });
  expect(new Set(Object.values(sourcesOf(found)))).toEqual(new Set(["unknown"]));
  const { text } = configCommand.show(found, false) as { text: string };
  expect(text).toMatch(/^rank +8 +unknown \(written by an earlier version\)$/m);
});

test("a run of a task defined in code", async () => {
  const output = join(newFolder(), "run");
  await finetune({ ...SMALL, output }, { task: { kind: "mine", task: { ...sequenceClassification } } });
  expect((await config({ run: output })).task).toEqual({ value: "mine", source: "data" });
});

test("folders that are no run's, and settings beside a run's", async () => {
  const output = join(newFolder(), "run");
  mkdirSync(output);
  await expect(config({ run: output })).rejects.toThrow(/^.* has no run\.yaml: name the output folder of a run/);
  cpSync(runFile("model: m\n"), join(output, "run.yaml"));
  expect(await config({ run: output })).toEqual({ model: { value: "m", source: "unknown" } });
  await expect(config({ run: output, rank: 2 } as ConfigSettings)).rejects.toThrow(
    /^No effect: --rank is for settings of a new run/,
  );
  await expect(config({ run: join(output, "nowhere.yaml") })).rejects.toThrow(/^The run file .* does not exist/);
});

test("the table has each value as a flag takes it", () => {
  const { text, value } = configCommand.show(
    {
      targetModules: { value: ["query", "value"], source: "file" },
      rankPattern: { value: { query: 4, value: 16 }, source: "flag" },
    },
    false,
  ) as { text: string; value: object };
  expect(text).toBe(
    "setting        value             from\ntargetModules  query,value       run file\nrankPattern    query=4,value=16  flag",
  );
  expect(value).toHaveProperty("settings.rankPattern.source", "flag");
});
