import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { preview } from "../../../src/app/commands/preview.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import {
  abortAfter,
  bidora,
  bytes,
  evaluated,
  fresh,
  json,
  jsonl,
  list,
  predicted,
  readRows,
  run,
  stepsOf,
  write,
} from "../support.js";
import { MODEL, PAIRS, SMALL_RUN } from "./preferenceRows.js";

const train = jsonl(...PAIRS);
const SMALL = { ...SMALL_RUN, train };

const ASKED = { model: MODEL, task: "preference" } as const;

test("a run evaluates as evaluate does, compared with the base, and predict says by how much", async () => {
  const { output, metrics, events } = await run({ ...SMALL, validation: train, maxSteps: 6, beta: 0.3 });
  const steps = stepsOf(events);
  expect(steps[0]!.loss).toBeCloseTo(Math.LN2, 6);
  expect(Object.keys(steps[0]!.metrics!)).toContain("rewards_margin");
  const found = await evaluated({ model: MODEL, adapter: output, data: train, dtype: "float32" });
  for (const [name, value] of Object.entries(metrics)) expect(found[name], name).toBeCloseTo(value, 5);
  expect(found.rewards_margin).toBeGreaterThan(0.1);

  const rows = await predicted({ model: MODEL, adapter: output, input: train, dtype: "float32" });
  const base = await predicted({ model: MODEL, task: "preference", input: train, dtype: "float32" });
  const mean = (of: (row: Record<string, unknown>) => number) => rows.reduce((sum, row) => sum + of(row), 0) / 5;
  expect(mean((row) => row.margin as number)).toBeCloseTo(found.rewards_margin!, 4);
  for (const [i, row] of rows.entries()) {
    expect(row.reference_chosen).toBeCloseTo(base[i]!.chosen as number, 4);
    expect(base[i]).toMatchObject({ margin: 0 });
  }
  const kept = readRows(join(output, "validation-predictions.jsonl"));
  expect(kept[0]!.prediction).toMatchObject({ chosen: expect.closeTo(rows[0]!.chosen as number, 4) });
});

test.each([
  { method: "dora" },
  { method: "bidora" },
  { method: "full", learningRate: 1e-3 },
  { loss: "kto" },
  { loss: "orpo" },
  { loss: "kto", method: "bidora", searchFolds: 2 },
] as const)("%o resumes to the bit, with the reference of before", async (more) => {
  const settings = { ...SMALL, saveEvery: 1, maxSteps: 6, ...more } as RunSettings;
  const whole = await run(settings);
  const left = await run(settings, abortAfter(4));
  const resumed = await run({ ...settings, output: left.output, resume: true });
  const file = "method" in more && more.method === "full" ? "model.safetensors" : "adapter_model.safetensors";
  expect(bytes(resumed.output, file)).toBe(bytes(whole.output, file));
});

test("an adapter that is continued is its own reference", async () => {
  const { output: adapter } = await run({ ...SMALL, maxSteps: 4 });
  const { events } = await run({ ...SMALL, adapter, maxSteps: 1 });
  expect(stepsOf(events)[0]!.loss).toBeCloseTo(Math.LN2, 6);
});

test.each(["pissa", "olora", "lora-ga"] as const)(
  "with the start %s the reference is the model as it was",
  async (start) => {
    const { events, output } = await run({
      ...SMALL,
      rank: 2,
      batchSize: 5,
      learningRate: 1e-3,
      maxSteps: 4,
      initLoraWeights: start,
    });
    expect(stepsOf(events)[0]!.loss).toBeCloseTo(Math.LN2, 5);
    expect(stepsOf(events)[3]!.loss).toBeLessThan(Math.LN2);
    const found = await evaluated({ model: MODEL, adapter: output, data: train, dtype: "float32" });
    const [row] = await predicted({ model: MODEL, adapter: output, input: train, dtype: "float32" });
    const [base] = await predicted({ model: MODEL, task: "preference", input: train, dtype: "float32" });
    expect(row!.reference_chosen).toBeCloseTo(base!.chosen as number, 4);
    expect(found.rewards_margin).toBeGreaterThan(0);
  },
);

test("a learned adapter generates text, and merged it is a language model", async () => {
  const { output } = await run({ ...SMALL, maxSteps: 4 });
  using model = await load({ model: MODEL, adapter: output });
  expect((await model.generate("The small", { maxNewTokens: 3 })).tokens).toHaveLength(3);
  const merged = fresh("merged");
  await merge({ model: MODEL, adapter: output, output: merged });
  rmSync(join(merged, "bidora.json"), { force: true });
  using plain = await load({ model: merged });
  expect(plain.task).toBe("causal-lm");
});

test("preview names prompt and answers", async () => {
  const { rows } = await preview({ ...ASKED, train });
  expect(rows[0]!.parts.map(({ name, bearsLoss }) => [name, bearsLoss])).toEqual([
    ["prompt", false],
    ["chosen", true],
    ["rejected", true],
  ]);
});

test("chats have the row's tools in their prompt", async () => {
  const tools = [{ type: "function", function: { name: "lookup", parameters: { type: "object", properties: {} } } }];
  const row = {
    prompt: [{ role: "user", content: "old stone" }],
    chosen: [{ role: "assistant", content: "wall" }],
    rejected: [{ role: "assistant", content: "boat" }],
  };
  const template =
    "{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}{% for m in messages %}{{ m.content }} {% endfor %}";
  const chatTemplate = write("tools.jinja", template);
  const text = async (...more: object[]) =>
    (await preview({ ...ASKED, train: jsonl(...more), chatTemplate })).rows[0]!.text;
  expect(await text(row)).not.toContain("look");
  expect(await text({ ...row, tools })).toContain("look");
});

test("rows that whole steps of KTO leave out in each pass are counted in a note", async () => {
  const notesOf = async (settings: RunSettings) =>
    (await run({ ...SMALL, loss: "kto", maxSteps: 1, ...settings })).notes;
  const said = (left: number, ofStep: number) =>
    `${left} of 10 training rows are never trained on: the loss takes whole steps of ${ofStep} rows, in each pass the same ones; a --batch-size that divides 10 leaves none out.`;
  expect(await notesOf({ batchSize: 4 })).toEqual([said(2, 4)]);
  expect(await notesOf({ batchSize: 3, gradientAccumulation: 2 })).toEqual([said(4, 6)]);
  expect(await notesOf({ batchSize: 5 })).toEqual([]);
  expect(await notesOf({ loss: "sigmoid", batchSize: 4 })).toEqual([]);
});

test("early stopping by a reward that the validation rows lack fails at the first evaluation", async () => {
  const good = PAIRS.map(({ prompt, chosen }) => ({ prompt, completion: chosen, label: true }));
  const settings = { ...SMALL, loss: "kto", validation: jsonl(...good), maxSteps: 2 } as const;
  const watched = { evalEvery: 1, earlyStopping: 1, earlyStoppingMetric: "rewards_margin" } as const;
  await expect(run({ ...settings, ...watched })).rejects.toThrow(
    "goes by rewards_margin, but the evaluation gave only loss",
  );
});

describe("refused", () => {
  const refusal = async (row: object, ...flags: string[]) => {
    const output = fresh("refused");
    const { stderr, status } = await bidora(
      ...["finetune", "--model", MODEL, "--task", "preference", "--train", jsonl(row), "--output", output, ...flags],
    );
    expect(status).not.toBe(0);
    expect(list(output)).toEqual([]);
    return stderr;
  };
  const good = PAIRS[0]!;

  test.each([
    [{ ...good, rejected: good.chosen }, "line 1: chosen and rejected are equal"],
    [{ ...good, chosen: "" }, "line 1: chosen is empty"],
    [{ chosen: "a", rejected: "b" }, "line 1: the row has no prompt"],
    [{ prompt: "a" }, "line 1: expected prompt, chosen and rejected"],
    [
      { prompt: "a", chosen: [{ role: "assistant", content: "b" }], rejected: "c" },
      "prompt and chosen must both be strings",
    ],
    [{ prompt: "a", completion: "b", label: true }, "line 1 has a single completion"],
  ])("%o", async (row, message) => {
    expect(await refusal(row)).toContain(message);
  });

  test("settings without effect", async () => {
    expect(await refusal(good, "--dropout", "0.1")).toContain("--dropout 0.1");
    expect(await refusal(good, "--loss", "sigmoid", "--gamma", "1")).toContain("--gamma");
    expect(await refusal(good, "--loss", "cosent")).toContain("cosent");
    expect(await refusal(good, "--loss", "kto", "--batch-size", "1")).toContain("--batch-size 1");
    expect(await refusal(good, "--text-columns", "a,b")).toContain("--text-columns");
  });

  test("a single completion among pairs, in whatever rows it is", async () => {
    const { prompt, chosen } = good;
    const completion = { prompt, completion: chosen, label: true };
    const single = jsonl(completion);
    const cases: readonly RunSettings[] = [
      { validation: single },
      { validation: train, test: single },
      { method: "bidora", upperTrain: single },
      { train: jsonl(...PAIRS, completion), holdoutFraction: 0.2, shuffle: false },
    ];
    for (const settings of cases) {
      const found = run({ ...SMALL, maxSteps: 1, ...settings });
      await expect(found).rejects.toThrow(/--loss sigmoid takes pairs, but .* line \d has a single completion/);
    }
    const asked = { model: MODEL, task: "preference", data: single, dtype: "float32" } as const;
    await expect(evaluated(asked)).rejects.toThrow("line 1 has a single completion");
    expect(await evaluated({ ...asked, data: jsonl(completion, completion), loss: "kto" })).toHaveProperty("loss");
    const [row] = await predicted({ model: MODEL, task: "preference", input: single, dtype: "float32" });
    expect(row).toHaveProperty("completion");
  });

  test("a single completion to evaluate on, before the run", async () => {
    const { prompt, chosen } = good;
    const single = jsonl({ prompt, completion: chosen, label: true });
    expect(await refusal(good, "--loss", "kto", "--validation", single)).toContain("only one validation row");
  });

  test("rows whose prompts fill the maximum length, of which some are left out", async () => {
    expect(await refusal(good, "--max-length", "3")).toContain("1 of 1 train rows are left out");
    const { notes } = await run({ ...SMALL, maxLength: 7, maxSteps: 1 });
    expect(notes.join(" ")).toMatch(/\d of 5 train rows are left out/);
  });
});

test("a reward model of a decoder reads the last token, whatever the padding token", async () => {
  const task = "reward";
  const rows = jsonl(...PAIRS.map((row, i) => ({ ...row, margin: i / 10 })));
  const { output, metrics } = await run({
    ...SMALL,
    task,
    train: rows,
    validation: rows,
    maxSteps: 8,
    beta: undefined,
  });
  expect(json(join(output, "adapter_config.json"))).toMatchObject({ task_type: "SEQ_CLS", modules_to_save: ["score"] });
  const found = await evaluated({ model: MODEL, adapter: output, data: rows, dtype: "float32" });
  expect(Object.keys(found).sort()).toEqual(["accuracy", "loss", "margin"]);
  for (const [name, value] of Object.entries(metrics)) expect(found[name], name).toBeCloseTo(value, 5);
  const input = jsonl({ prompt: PAIRS[0]!.prompt, completion: PAIRS[0]!.chosen });
  const [one] = await predicted({ model: MODEL, adapter: output, input, dtype: "float32" });
  const [pair] = await predicted({ model: MODEL, adapter: output, input: train, dtype: "float32" });
  expect(one!.reward).toBeCloseTo(pair!.chosen as number, 5);
});
