import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import { scoringOf } from "../../../src/studies/comparison/results/scoring.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { readRunFile } from "../../../src/tasks/config/index.js";
import { score } from "../../../src/tasks/metrics/index.js";
import { abortAfter, BERT, bidora, fresh, json, jsonl, oneLayer, run, SMALL } from "../support.js";

const WORDS = ["cold rain fell", "the boat", "a quiet garden", "blue"];
const rows = (...labels: readonly (string | number)[]) =>
  jsonl(...labels.map((label, i) => ({ text: WORDS[i % WORDS.length], label })));

/** "alarm" is rarer in all rows, but neither in the first four nor in the rows that are evaluated. */
const train = rows("ok", "alarm", "alarm", "alarm", "ok", "ok", "ok", "ok");
const validation = rows("ok", "alarm", "alarm", "ok", "alarm", "alarm", "alarm");

/** F1 of a label, of the predictions that a run left. */
function f1Of(label: string, folder: string): number {
  const lines = readFileSync(join(folder, "validation-predictions.jsonl"), "utf8").trimEnd().split("\n");
  const pairs = lines.map((line) => JSON.parse(line)).map(({ prediction }) => prediction.label === label);
  const references = readFileSync(validation, "utf8").trimEnd().split("\n");
  const actual = references.map((line) => JSON.parse(line).label === label);
  const both = pairs.filter((hit, i) => hit && actual[i]).length;
  const all = [...pairs, ...actual].filter((hit) => hit).length;
  return all === 0 ? 0 : (2 * both) / all;
}

const SETTINGS: RunSettings = { model: oneLayer(), train, validation, maxSteps: 3, trainLimit: 4, shuffle: false };

describe("the rarer label of the whole training file", () => {
  let output: string;
  let metrics: Readonly<Record<string, number>>;
  beforeAll(async () => {
    const first = await run({ ...SETTINGS, method: "lora" });
    ({ metrics } = first);
    output = fresh("moved");
    renameSync(first.output, output);
  });

  test("is the one of F1, and the run records it", () => {
    expect(f1Of("alarm", output)).not.toBe(f1Of("ok", output));
    expect(metrics.f1).toBeCloseTo(f1Of("alarm", output), 12);
    expect(readRunFile(join(output, "run.yaml")).positiveLabel).toBe("alarm");
    expect(json(join(output, "bidora.json"))).toMatchObject({ labels: ["alarm", "ok"], positiveLabel: "alarm" });
  });

  test("evaluate knows it from the adapter alone, and says it", async () => {
    const flags = ["evaluate", "--model", SETTINGS.model!, "--adapter", output, "--data", validation];
    const { stdout } = await bidora(...flags, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ positiveLabel: "alarm", f1: metrics.f1 });
    expect((await bidora(...flags)).stdout).toContain("f1 of alarm");
    const other = await bidora(...flags, "--positive-label", "ok", "--json");
    expect(JSON.parse(other.stdout)).toMatchObject({ positiveLabel: "ok", f1: f1Of("ok", output) });
  });

  test("a comparison's tests over rows score it", () => {
    const { metric } = scoringOf([{ folder: output, metrics }], "f1");
    const pairs = (["alarm", "ok", "ok", "ok"] as const).map((label, i) => [i < 2 ? 0 : 1, { label }] as const);
    expect(score(metric, pairs).f1).toBeCloseTo(2 / 3, 12);
  });

  test("without the record of a newer version it is the one with index 1", async () => {
    const path = join(output, "bidora.json");
    const { positiveLabel: _, ...before } = json(path);
    writeFileSync(path, JSON.stringify(before));
    const found = await evaluate({ model: SETTINGS.model!, adapter: output, data: validation, dtype: "float32" });
    expect(found.positiveLabel).toBe("ok");
    expect(found.metrics.f1).toBeCloseTo(f1Of("ok", output), 12);
  });
});

test("--positive-label names another one, and a run with all weights records it in its model", async () => {
  const { output, metrics } = await run({ ...SETTINGS, method: "full", positiveLabel: "ok" });
  expect(metrics.f1).toBeCloseTo(f1Of("ok", output), 12);
  rmSync(join(output, "run.yaml"));
  const found = await evaluate({ model: output, data: validation, dtype: "float32" });
  expect(found).toMatchObject({ positiveLabel: "ok", metrics: { f1: metrics.f1 } });
});

test("of a usual pair it is the second, and a plain model has index 1", async () => {
  const labels = ["true", "true", "true", "false"];
  const { output } = await run({ ...SETTINGS, train: rows(...labels), validation: rows(...labels), method: "full" });
  expect(json(join(output, "bidora.json"))).toMatchObject({ labels: ["false", "true"], positiveLabel: "true" });
  const config = json<{ id2label: object }>(join(output, "config.json"));
  writeFileSync(
    join(output, "config.json"),
    JSON.stringify({ ...config, id2label: { 0: "true", 1: "false" }, label2id: { true: 0, false: 1 } }),
  );
  rmSync(join(output, "bidora.json"));
  expect(await evaluate({ model: output, data: rows(...labels), dtype: "float32" })).toMatchObject({
    positiveLabel: "false",
  });
});

test("of predictions in a file it is the rarer label of all rows, unless it is named", async () => {
  const [data, predictions] = [rows("ok", "alarm", "ok", "ok"), rows("alarm", "alarm", "ok", "ok")];
  const settings = { task: "sequence-classification", data, predictions } as const;
  expect(await evaluate(settings)).toMatchObject({ positiveLabel: "alarm", metrics: { f1: 2 / 3 } });
  expect(await evaluate({ ...settings, positiveLabel: "ok" })).toMatchObject({
    positiveLabel: "ok",
    metrics: { f1: 4 / 5 },
  });
});

test("a resumed run keeps it, and another one is refused", async () => {
  const output = fresh();
  const settings: RunSettings = { ...SETTINGS, method: "lora", output };
  await run(settings, abortAfter(1));
  await expect(run({ ...settings, positiveLabel: "ok", resume: true })).rejects.toThrow(
    'was made with positiveLabel "alarm", now it is "ok": resume with the run\'s own settings',
  );
  const { metrics } = await run({ ...settings, resume: true });
  expect(metrics.f1).toBeCloseTo(f1Of("alarm", output), 12);
});

const NO_EFFECT =
  "No effect: --positive-label is for sequence-classification of your own rows with two labels; leave it out.";

test.each([
  [
    "an unknown label",
    { train },
    '--positive-label takes one of the labels, alarm or ok; got alrm. Did you mean "alarm"?',
  ],
  ["three labels", { train: rows("a", "b", "c") }, NO_EFFECT],
  ["numbers", { train: rows(1, 2, 3), task: "regression" }, /^No effect in this run: --positive-label \(applies only/],
  ["a named data set", { train, task: "glue/mrpc" }, /^No effect in this run: --positive-label \(applies only/],
] as const)("--positive-label is refused for %s", async (_, settings, message) => {
  const output = fresh();
  const refused = run({ ...SMALL, ...settings, method: "lora", positiveLabel: "alrm", output });
  await expect(refused).rejects.toThrow(message);
});

test("evaluate and predict refuse it where it has no effect", async () => {
  const settings = { model: join(BERT, "single"), data: rows("alpha", "beta"), positiveLabel: "alpha" };
  await expect(evaluate(settings)).rejects.toThrow(NO_EFFECT);
  const flags = ["--model", settings.model, "--input", settings.data, "--output", fresh(), "--positive-label", "beta"];
  expect(await bidora("predict", ...flags)).toMatchObject({ status: 2 });
});
