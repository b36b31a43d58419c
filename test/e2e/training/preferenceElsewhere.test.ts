// Preferences in commands other than finetune, and rows that batches do not divide.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { checkSettings } from "../../../src/base/settings/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { runOptions } from "../../../src/tasks/config/index.js";
import { evaluationCounts, measureRows } from "../../../src/training/estimates/costs.js";
import { prepare } from "../../../src/training/run/prepare.js";
import { startOf } from "../../../src/training/run/runInputs.js";
import { openServer, post } from "../../use/server/openServer.js";
import { bytes, evaluated, fresh, json, jsonl, list, predicted, readRows, run } from "../support.js";
import { MODEL, PAIRS, SMALL_RUN } from "./preferenceRows.js";

const train = jsonl(...PAIRS);
const SMALL = { ...SMALL_RUN, train };

const trained = (loss: RunSettings["loss"], more: RunSettings = {}) =>
  run({ ...SMALL, rank: 4, maxSteps: 4, loss, ...more });

describe("kto", () => {
  test("evaluates all rows, whatever the batches: of 10 completions in batches of 4 the last has 2, of 3 all 10", async () => {
    const { output, metrics } = await trained("kto", { batchSize: 4, validation: train });
    expect(readRows(join(output, "validation-predictions.jsonl"))).toHaveLength(10);
    const asked = { model: MODEL, adapter: output, data: train, dtype: "float32" } as const;
    const found = await evaluated({ ...asked, batchSize: 4 });
    for (const [name, value] of Object.entries(metrics)) expect(found[name], name).toBeCloseTo(value, 5);
    // Rewards are means over rows, so they depend on no batch.
    for (const batchSize of [1, 3, 32])
      expect((await evaluated({ ...asked, batchSize })).rewards_margin).toBeCloseTo(metrics.rewards_margin!, 5);
  });

  test("predict gives pairs and single completions the same numbers", async () => {
    const { output: adapter } = await trained("kto");
    const asked = { model: MODEL, adapter, dtype: "float32" } as const;
    const [pair] = await predicted({ ...asked, input: train });
    const { prompt, chosen, rejected } = PAIRS[0]!;
    const single = jsonl(...[chosen, rejected].map((completion) => ({ prompt, completion })));
    const [good, bad] = await predicted({ ...asked, input: single });
    expect(Object.keys(good!)).toEqual(["completion", "reference_completion", "reward"]);
    for (const [one, name] of [
      [good, "chosen"],
      [bad, "rejected"],
    ] as const) {
      expect(one!.completion).toBeCloseTo(pair![name] as number, 4);
      expect(one!.reference_completion).toBeCloseTo(pair![`reference_${name}`] as number, 4);
    }
    expect((good!.reward as number) - (bad!.reward as number)).toBeCloseTo(pair!.margin as number, 4);
  });
});

test("predict gives null for rows that are too long, even if they fill a batch", async () => {
  const { output: adapter } = await trained("sigmoid");
  const asked = { model: MODEL, adapter, input: train, dtype: "float32", maxLength: 6 } as const;
  const [one, all] = [await predicted({ ...asked, batchSize: 1 }), await predicted({ ...asked, batchSize: 5 })];
  expect(one.map(({ margin }) => margin === null)).toEqual(all.map(({ margin }) => margin === null));
  expect(new Set(one.map(({ margin }) => margin === null))).toEqual(new Set([true, false]));
});

test("LoRA-GA starts from the whole loss, with its likelihood", async () => {
  const start = async (nllWeight: number) =>
    bytes((await trained("cpo", { nllWeight, initLoraWeights: "lora-ga", maxSteps: 1, learningRate: 1e-12 })).output);
  expect(await start(50)).not.toBe(await start(0));
});

test.each(["sigmoid", "kto", "orpo"] as const)("the estimate of --loss %s measures its evaluations", async (loss) => {
  const flags = checkSettings(runOptions, { ...SMALL, maxSteps: 4, loss, validation: train });
  const prepared = await prepare(await startOf({ flags }));
  const { seconds } = await measureRows(prepared, prepared.data.validation!, {
    ...{ until: performance.now() + 100, deadline: performance.now() + 10_000, clock: () => performance.now() },
  });
  expect(seconds).toBeGreaterThan(0);
  expect(evaluationCounts(prepared, 4).validation).toBe(loss === "orpo" ? 1 : 2);
});

test("LoftQ's packed base is the reference too", async () => {
  const { output: adapter } = await trained("sigmoid", { baseDtype: "nf4", initLoraWeights: "loftq" });
  const [row] = await predicted({ model: MODEL, adapter, input: train });
  const [base] = await predicted({ model: MODEL, task: "preference", input: train, baseDtype: "nf4" });
  const [dense] = await predicted({ model: MODEL, task: "preference", input: train });
  expect(row!.reference_chosen).toBeCloseTo(base!.chosen as number, 5);
  expect(row!.reference_chosen).not.toBeCloseTo(dense!.chosen as number, 3);
});

test("evaluate says that a model without an adapter is its own reference, and what an adapter's is", async () => {
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  await evaluate({ model: MODEL, task: "preference", data: train }, { onNote });
  expect(notes.join()).toContain("the model is its own reference");
  const { output: adapter } = await trained("sigmoid");
  await evaluate({ model: MODEL, adapter, data: train }, { onNote });
  expect(notes.join()).toContain("The reference is the base model without the adapter");
});

test("a preference adapter is served, and exported, as the language model that it is", async () => {
  const { output: adapter } = await trained("sigmoid", { maxLength: 12 });
  const { url } = await openServer({ model: MODEL, adapter: [adapter] });
  const { status } = await post(`${url}/v1/completions`, { model: "lm", prompt: "The small", max_tokens: 2 });
  expect(status).toBe(200);
  const output = fresh("onnx");
  await exportModel({ model: MODEL, adapter, to: "onnx", output });
  expect(list(output)).toContain("generation_config.json");
  expect(json(join(output, "tokenizer_config.json")).model_max_length).not.toBe(12);
});
