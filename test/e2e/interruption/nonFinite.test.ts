import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { abortAfter, bytes, eventsIn, fresh, json, jsonl, list, oneLayer, run, stepsOf } from "../support.js";

/** A target whose squared error is infinite in float32. */
const BAD = 3e30;

/** Rows by their numbers in a larger file, which make their texts. */
const rowsOf = (labels: Readonly<Record<number, number>>): string =>
  jsonl(...Object.entries(labels).map(([number, label]) => ({ text: `row ${"word ".repeat(Number(number))}`, label })));

const ORDERED = {
  model: oneLayer("bert/regression"),
  task: "regression",
  shuffle: false,
  batchSize: 1,
  learningRate: 1e-2,
} as const satisfies RunSettings;

const adapterOf = ({ output }: { readonly output: string }) => bytes(output);
const skippedIn = (events: readonly RunEvent[]) => stepsOf(events).map(({ skipped = 0 }) => skipped);

describe("--on-nonfinite skip", () => {
  const rows = { 1: 0.1, 2: BAD, 3: 0.3, 4: 0.4, 5: BAD, 6: BAD, 7: 0.5 };
  const good = { 1: 0.1, 3: 0.3, 4: 0.4, 7: 0.5 };
  const skipping = { ...ORDERED, onNonfinite: "skip", method: "lora", dropout: 0, maxSteps: 8 } as const;

  test("gives the bits of a run without the skipped rows, and counts them in events and report", async () => {
    const { output, events } = await run({ ...skipping, train: rowsOf(rows) });
    const clean = await run({ ...ORDERED, method: "lora", maxSteps: 8, train: rowsOf(good) });
    expect(skippedIn(events)).toEqual([0, 1, 0, 2, 0, 1, 0, 2]);
    expect(events.at(-1)).toMatchObject({ event: "done", skipped: 6 });
    expect(adapterOf({ output })).toBe(adapterOf(clean));
    expect(readFileSync(join(output, "report.html"), "utf8")).toContain("a gradient was not finite");
    expect(readFileSync(join(clean.output, "report.html"), "utf8")).not.toContain("was not finite");
  });

  describe.each([
    ["magnitudes", { method: "bidora" }],
    ["weight decays", { method: "lora", upper: "decay", upperLearningRate: 0.5, weightDecay: 0.3, dtype: "float32" }],
  ] as const)("of a search of %s", (_, searching) =>
    test.each([
      ["lower", { 2: BAD }, { 1: 0.1, 3: 0.3, 4: 0.4, 5: 0.5, 6: 0.6, 7: 0.7, 8: 0.8, 9: 0.9, 10: 1 }],
      ["upper", { 10: BAD }, { 1: 0.1, 3: 0.3, 5: 0.5, 7: 0.7, 9: 0.9 }],
    ])(
      "in the %s level: the lower tensors and their optimizer are as if the batches had not been there",
      async (level, bad, clean) => {
        const all = { 1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 5: 0.5, 6: 0.6, 7: 0.7, 8: 0.8, 9: 0.9, 10: 1, ...bad };
        const settings = { ...ORDERED, ...searching, maxSteps: 4, retrainSteps: 0 } as const;
        const { output, events } = await run({ ...settings, onNonfinite: "skip", train: rowsOf(all) });
        const reference = await run({ ...settings, train: rowsOf(clean) });
        expect(skippedIn(events)).toEqual(level === "lower" ? [0, 1, 0, 0] : [0, 1, 1, 1]);
        expect(adapterOf({ output })).toBe(adapterOf(reference));
        expect(json(join(output, "bidora.json")).upper).toEqual(json(join(reference.output, "bidora.json")).upper);
      },
    ),
  );

  test("stops at one batch more than --max-skipped, and a resumed run counts on", async () => {
    const output = fresh();
    const settings = { ...skipping, maxSkipped: 5, train: rowsOf(rows), output } as const;
    const error = await run(settings).catch((caught: unknown) => caught as Error);
    expect(error).toMatchObject({
      code: "LOSS_NOT_FINITE",
      message: `Step 8: The loss is infinite: take a smaller --learning-rate, or --max-grad-norm 1, or --dtype float32 in a new run; --max-skipped 5 batches were skipped before. The state after step 7 was saved: --resume continues from ${join(output, "checkpoint-7")}. From there the next loss is the same with any --learning-rate: for a smaller one, start the run again with --overwrite.`,
    });
    await run({ ...settings, maxSkipped: 6, resume: true });
    const whole = await run({ ...skipping, train: rowsOf(rows) });
    expect(adapterOf({ output })).toBe(adapterOf(whole));
    expect(eventsIn(output).at(-1)).toMatchObject({ event: "done", skipped: 6 });
  });

  test("an interrupted and resumed run has the same bits", async () => {
    const settings = { ...skipping, train: rowsOf(rows) } as const;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(4));
    const { events } = await run({ ...settings, output, resume: true });
    expect(adapterOf({ output })).toBe(adapterOf(whole));
    expect(events.at(-1)).toMatchObject({ event: "done", skipped: 6 });
  });

  test("without it the first such batch ends the run, with advice", async () => {
    await expect(run({ ...ORDERED, method: "lora", maxSteps: 8, train: rowsOf(rows) })).rejects.toThrow(
      /^Step 2: The loss is infinite: take a smaller --learning-rate, .* or skip such batches by --on-nonfinite skip\./,
    );
  });
});

test("the error names the first module whose output is not finite", async () => {
  await expect(run({ method: "lora", maxSteps: 8, learningRate: 1e30 })).rejects.toThrow(
    /^Step \d+: The loss is (not a number|infinite); bert\.encoder\.layer\.0\.\S+ is the first module whose output is not finite: take /,
  );
});

describe("a last step whose update overflows leaves the state before it", () => {
  test.each([
    ["full", "adamw"],
    ["lora", "adamw"],
    ["lora", "sgd"],
    ["dora", "adamw"],
    ["bidora", "adamw"],
    ["bidora", "sgd"],
  ] as const)("%s with %s", async (method, optimizer) => {
    // The warm-up's step has rate 0. The last step is beyond float32, by its rate or by the product with a gradient.
    const settings = {
      method,
      optimizer,
      maxSteps: 2,
      warmupRatio: 0.5,
      learningRate: 1e39,
      retrainSteps: method === "bidora" ? 0 : undefined,
      ...(optimizer === "sgd" && {
        ...ORDERED,
        learningRate: 1e38,
        train: rowsOf({ 1: 1e6, 2: 1e6, 3: 1e6, 4: 1e6, 5: 1e6 }),
      }),
    };
    const output = fresh();
    const error = await run({ ...settings, output }).catch((caught: unknown) => caught as Error);
    expect(error).toMatchObject({
      code: "STATE_NOT_FINITE",
      message: expect.stringMatching(
        /^Step 2: \S+ is no longer finite: use a smaller --learning-rate\. The state after step 1 was saved: /,
      ),
    });
    expect(list(output)).toEqual(["checkpoint-1", "events.jsonl", "run.yaml"]);
    const stopped = fresh();
    await run({ ...settings, output: stopped }, abortAfter(1));
    for (const name of ["training_state.safetensors", "training_state.json"])
      expect(bytes(join(output, "checkpoint-1"), name), name).toBe(bytes(join(stopped, "checkpoint-1"), name));
  });
});
