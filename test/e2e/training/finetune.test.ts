import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import type { StepEvent } from "../../../src/base/records/events.js";
import type { Option } from "../../../src/base/settings/option.js";
import { withoutEffect } from "../../../src/base/settings/settings.js";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { readRunFile, resolveRun, runOptions } from "../../../src/tasks/config/index.js";
import { inferTask } from "../../../src/tasks/index.js";
import {
  BERT,
  bidora,
  bytes,
  eventsIn,
  fresh,
  GOLDEN,
  json,
  jsonl,
  list,
  ROWS,
  run,
  SMALL,
  stepsOf,
} from "../support.js";

const VALIDATION = join(ROWS, "pairs.jsonl");
const ADAPTER_FILES = [
  "README.md",
  "adapter_config.json",
  "adapter_model.safetensors",
  "bidora.json",
  "events.jsonl",
  "metrics.json",
  "report.html",
  "run.yaml",
  "tokenizer.json",
  "tokenizer_config.json",
];

describe.each(["full", "lora", "dora", "bidora"] as const)("finetune --method %s", (method) => {
  const phases = method === "bidora" ? ["search", "retrain"] : ["train"];

  test("writes the expected files and emits the expected events", async () => {
    const { output, metrics } = await run({ method, validation: VALIDATION, evalEvery: 2, saveEvery: 4 });
    const checkpoints = method === "bidora" ? ["checkpoint-4", "checkpoint-8"] : ["checkpoint-4"];
    const model = ["config.json", "model.safetensors"];
    const files = method === "full" ? [...ADAPTER_FILES.filter((f) => !/adapter/.test(f)), ...model] : ADAPTER_FILES;
    expect(list(output)).toEqual([...files, "row-hashes.json", "validation-predictions.jsonl", ...checkpoints].sort());
    // Beside the metrics, the file says for which rows the predictions of the hardly trained model are all the same.
    const { constant: _constant, ...numbers } = json(join(output, "metrics.json"));
    expect(numbers).toEqual(metrics);
    expect(Object.keys(metrics).sort()).toEqual(["accuracy", "loss", "macroF1"]);

    const events = eventsIn(output);
    expect(events[0]).toMatchObject({
      event: "start",
      settings: { method, maxLength: 48, task: "sequence-classification" },
    });
    expect(events.at(-1)).toMatchObject({ event: "done", metrics, seconds: expect.any(Number) });
    for (const { time } of events) expect(new Date(time).toISOString()).toBe(time);
    const steps = stepsOf(events);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 4 * phases.length }, (_, i) => i + 1));
    expect([...new Set(steps.map(({ phase }) => phase))]).toEqual(phases);
    for (const step of steps) {
      for (const key of ["loss", "learningRate", "seconds", "rows", "tokens"] as const)
        expect(step[key]).toEqual(expect.any(Number));
      expect("hypergradientNorm" in step && "upperLoss" in step).toBe(step.phase === "search");
      expect("secondOrderShare" in step).toBe(step.phase === "search");
    }
    const evaluations = events.filter(({ event }) => event === "evaluation").map((event) => (event as StepEvent).step);
    expect(evaluations).toEqual(Array.from({ length: 2 * phases.length }, (_, i) => 2 * (i + 1)));
    expect(events.filter(({ event }) => event === "checkpoint")).toMatchObject(
      checkpoints.map((name) => ({ path: join(output, name) })),
    );
    const { document } = parseHTML(readFileSync(join(output, "report.html"), "utf8"));
    expect(document.querySelectorAll("svg").length).toBeGreaterThan(0);
    expect(document.documentElement.outerHTML).not.toMatch(/(src|href)="https?:/);
    const listed = [...document.querySelectorAll("#settings code")].map(
      ({ textContent }: { textContent: string | null }) => textContent,
    );
    expect(listed).toEqual(expect.arrayContaining(["learningRate", "maxSteps"]));
    expect(listed).not.toContain("epochs");
    expect(Object.keys(readRunFile(join(output, "run.yaml")))).toEqual(expect.arrayContaining(listed));
  });

  test("run.yaml reproduces the run's bits, and holds every resolved setting", async () => {
    const first = await run({ method, seed: 7, ...(method !== "full" && { dropout: 0.1 }) });
    const settings = readRunFile(join(first.output, "run.yaml"));
    expect(settings).toMatchObject({
      task: "sequence-classification",
      textColumns: ["sentence1", "sentence2"],
      labelColumn: ["label"],
      maxLength: 48,
    });
    expect(settings.dtype).toMatch(/^(float32|bfloat16)$/);
    if (method !== "full") expect(settings.targetModules).toEqual(["query", "value"]);
    const idle = withoutEffect(runOptions, runOptions, resolveRun({ ...settings }));
    const expected = Object.entries<Option>(runOptions).filter(([, option]) => !option.session && "default" in option);
    const acting = expected.map(([key]) => key).filter((key) => !idle.includes(key));
    expect(Object.keys(settings)).toEqual(expect.arrayContaining(acting));
    expect(Object.keys(settings).filter((key) => idle.includes(key))).toEqual([]);
    const again = await run({ ...settings, output: fresh() });
    const file = method === "full" ? "model.safetensors" : "adapter_model.safetensors";
    expect(bytes(again.output, file)).toBe(bytes(first.output, file));
    for (const same of method === "full" ? ["config.json"] : ["adapter_config.json", "bidora.json"])
      expect(json(join(again.output, same))).toEqual(json(join(first.output, same)));
  });
});

const LABEL_SCORES = ["macroF1", "macroPrecision", "macroRecall", "microF1", "microPrecision", "microRecall"];

test.each([
  ["multi-label-classification", "multi", "multi.jsonl", [...LABEL_SCORES, "loss", "subsetAccuracy"]],
  ["regression", "regression", "regression.jsonl", ["loss", "meanSquaredError", "pearson", "spearman"]],
  ["token-classification", "tokens", "tokens.jsonl", ["accuracy", "f1", "loss", "precision", "recall"]],
] as const)("%s reports the metrics of held-out and test rows", async (task, model, file, names) => {
  const rows = join(ROWS, file);
  const { output, metrics } = await run({
    model: join(BERT, model),
    train: rows,
    validation: rows,
    test: rows,
    maxSteps: 2,
  });
  expect(Object.keys(metrics).sort()).toEqual([...names, ...names.map((name) => `test_${name}`)].sort());
  for (const name of names) expect(metrics[`test_${name}`]).toBe(metrics[name]);
  expect(json(join(output, "bidora.json"))).toMatchObject({ task });
  expect(json(join(output, "adapter_config.json")).task_type).toBe(
    task === "token-classification" ? "TOKEN_CLS" : "SEQ_CLS",
  );
});

test("--json prints only events on stdout; --quiet prints no messages", async () => {
  const output = fresh("with space and ünïcode");
  const flags = [
    "--model",
    SMALL.model,
    "--train",
    SMALL.train,
    "--max-steps",
    "2",
    "--batch-size",
    "4",
    "--method",
    "lora",
  ];
  const { status, stdout, stderr } = await bidora("finetune", ...flags, "--output", output, "--json", "--quiet");
  expect([status, stderr]).toEqual([0, ""]);
  const printed = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string });
  expect(printed.map(({ event }) => event)).toEqual(["start", "step", "step", "done"]);
  expect(printed).toEqual(eventsIn(output));
  const quiet = await bidora("finetune", ...flags, "--output", output, "--overwrite", "--quiet");
  expect(quiet).toEqual({ status: 0, stdout: `Saved in ${output}\n`, stderr: "" });
});

test("gradient accumulation with short last batches over several epochs", async () => {
  const plain = await run({ method: "lora", shuffle: false, maxSteps: 6, batchSize: 4 });
  expect(stepsOf(plain.events).map(({ rows }) => rows)).toEqual([4, 4, 4, 4, 4, 2]);
  const dropped = await run({ method: "lora", shuffle: false, maxSteps: 6, batchSize: 4, dropLast: true });
  expect(stepsOf(dropped.events).map(({ rows }) => rows)).toEqual([4, 4, 4, 4, 4, 4]);
  const gathered = await run({
    method: "lora",
    shuffle: false,
    maxSteps: undefined,
    epochs: 1,
    batchSize: 4,
    gradientAccumulation: 4,
  });
  expect(stepsOf(gathered.events).map(({ rows }) => rows)).toEqual([16, 14]);
  const mean = (values: readonly StepEvent[]) => values.reduce((sum, { loss }) => sum + loss, 0) / values.length;
  const still = await run({
    method: "lora",
    shuffle: false,
    learningRate: 0,
    maxSteps: 4,
    batchSize: 4,
    dtype: "float32",
  });
  const one = await run({
    method: "lora",
    shuffle: false,
    learningRate: 0,
    maxSteps: 1,
    gradientAccumulation: 4,
    dtype: "float32",
  });
  expect(mean(stepsOf(one.events))).toBeCloseTo(mean(stepsOf(still.events)), 6);
});

test("early stopping ends each phase and restores its best state", async () => {
  const { events, metrics, output } = await run({
    method: "bidora",
    validation: VALIDATION,
    evalEvery: 1,
    earlyStopping: 2,
    maxSteps: 30,
    learningRate: 0.3,
  });
  for (const phase of ["search", "retrain"])
    expect(stepsOf(events).filter((e) => e.phase === phase).length).toBeLessThan(30);
  const retrain = events.filter((event) => event.event === "evaluation" && event.phase === "retrain");
  const best = Math.max(...retrain.map((event) => ("metrics" in event ? (event.metrics.accuracy ?? 0) : 0)));
  expect(metrics.accuracy).toBe(best);
  // The validation rows were used for selection, and the model card says so.
  expect(events.at(-1)).toMatchObject({ event: "done", chosenBy: "validation" });
  expect(readFileSync(join(output, "README.md"), "utf8")).toContain("were used for selection");
  expect(readFileSync(join(output, "report.html"), "utf8")).toContain("was used for selection");
});

describe("--adapter", () => {
  const adapters = join(BERT, "adapters");

  test.each([
    ["lora", "lora", "bert", "single"],
    ["rslora-patterns", "lora", "bert", "single"],
    ["lora-embedding", "lora", "bert", "single"],
    ["lora-bias-only", "lora", "bert", "single"],
    ["dora", "dora", "bert", "single"],
    ["dora", "bidora", "roberta", "single"],
    ["tokens-dora", "bidora", "bert", "tokens"],
  ] as const)(
    "the adapter %s is trained further as %s, with the same tensors under the same names",
    async (name, method, family, model) => {
      const adapter = join(GOLDEN, family, "adapters", name);
      const rows = join(ROWS, model === "tokens" ? "tokens.jsonl" : "train.jsonl");
      const { output } = await run({
        adapter,
        method,
        model: join(GOLDEN, family, model),
        train: rows,
        maxSteps: 2,
        batchSize: 2,
      });
      const header = (folder: string) => {
        const file = readFileSync(join(folder, "adapter_model.safetensors"));
        const head = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString()) as Record<
          string,
          { shape: unknown }
        >;
        return Object.fromEntries(Object.entries(head).map(([key, { shape }]) => [key, shape]));
      };
      expect(header(output)).toEqual(header(adapter));
      const [before, after] = [adapter, output].map((folder) => json(join(folder, "adapter_config.json")));
      for (const key of ["r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "bias"])
        expect(after?.[key], key).toEqual(before?.[key]);
      const again = await run({ ...readRunFile(join(output, "run.yaml")), output: fresh() });
      expect(bytes(again.output)).toBe(bytes(output));
    },
  );

  test("the method is that of the adapter, BiDoRA included", async () => {
    const method = async (adapter: string) => (await run({ adapter, maxSteps: 1, learningRate: 0 })).events[0];
    expect(await method(join(adapters, "lora"))).toMatchObject({ settings: { method: "lora", rank: 3 } });
    expect(await method(join(adapters, "dora"))).toMatchObject({ settings: { method: "dora" } });
    const { output } = await run({ method: "bidora", maxSteps: 1 });
    expect(await method(output)).toMatchObject({ settings: { method: "bidora" } });
  });

  test.each([
    ["lora", { method: "dora" }, /--method dora contradicts .* which has lora/],
    ["lora", { method: "bidora" }, /--method bidora contradicts .* lora/],
    ["dora", { method: "lora" }, /--method lora contradicts .* dora/],
    ["lora", { method: "full" }, /--method full contradicts .* lora/],
    ["dora", { method: "full" }, /--method full contradicts .* dora/],
    ["lora", { rank: 5 }, /--rank 5 contradicts .* which has 3/],
    ["lora", { alpha: 7 }, /--alpha 7 contradicts .* which has/],
    ["lora", { targetModules: ["key"] }, /--target-modules key contradicts .* which has/],
    ["lora", { rslora: true }, /--rslora true contradicts .* which has false/],
  ] as const)("an adapter of %s refuses %j", async (name, settings, message) => {
    const output = fresh();
    await expect(run({ adapter: join(adapters, name), ...settings, output })).rejects.toThrow(message);
    expect(list(output)).toEqual([]);
  });

  test("an output folder that contains the adapter or the data is not emptied", async () => {
    const output = fresh();
    mkdirSync(output);
    copyFileSync(SMALL.train, join(output, "train.jsonl"));
    const settings = { method: "lora", train: join(output, "train.jsonl"), output } as const;
    await expect(run({ ...settings, overwrite: true })).rejects.toThrow(/cannot be replaced/);
    await expect(run({ ...settings, resume: true })).rejects.toThrow(/is not empty/);
    expect(list(output)).toEqual(["train.jsonl"]);
  });
});

test("the labels of a new head are sorted by value if integers, else by code point, and saved", async () => {
  const numbers = jsonl(...[10, 9, 2].map((label) => ({ text: `row ${label}`, label })));
  const own = await run({
    method: "lora",
    train: numbers,
    model: join(BERT, "no-prefix"),
    task: "sequence-classification",
    maxSteps: 1,
  });
  expect(own.notes.join()).toMatch(/^Initialized a new head .* from the seed/);
  expect(json(join(own.output, "bidora.json"))).toMatchObject({ labels: ["2", "9", "10"] });
  const names = jsonl(...["b", "\u{1F600}", "\uFF5E", "B"].map((label) => ({ text: "row", label })));
  const named = await run({ method: "lora", train: names, maxSteps: 1 });
  expect(json(join(named.output, "bidora.json"))).toMatchObject({ labels: ["B", "b", "\uFF5E", "\u{1F600}"] });
  expect(readFileSync(join(named.output, "README.md"), "utf8")).toContain("`B`, `b`, `\uFF5E`, `\u{1F600}`");
});

test("labels may have the names of Object.prototype's properties", async () => {
  const names = ["__proto__", "constructor", "toString"];
  const train = jsonl(...names.map((label) => ({ text: "row", label })));
  const { output } = await run({ method: "full", train, maxSteps: 1, validation: train });
  expect(inferTask(readConfig(output))?.labels).toEqual(names);
  expect(readFileSync(join(output, "config.json"), "utf8")).toMatch(/"label2id": \{\s*"__proto__": 0,/);
  const input = jsonl({ text: "row" });
  const predictions = join(output, "predictions.jsonl");
  expect(await bidora("predict", "--model", output, "--input", input, "--output", predictions)).toMatchObject({
    status: 0,
  });
  expect(names).toContain(json<{ label: string }>(predictions).label);
});
