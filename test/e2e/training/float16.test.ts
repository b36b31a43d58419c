import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generate } from "../../../src/app/commands/models/generate.js";
import type { SavedState } from "../../../src/base/records/checkpointState.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { type NamedTask, TASKS, type Task } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import {
  abortAfter,
  bidora,
  bytes,
  evaluated,
  eventsIn,
  fresh,
  GOLDEN,
  json,
  jsonl,
  list,
  oneLayer,
  predicted,
  ROWS,
  run,
  stepsOf,
} from "../support.js";

/** Plain gradient descent, whose updates are as exact as the gradients. */
const DESCENT = {
  optimizer: "sgd",
  momentum: 0,
  schedule: "constant",
  warmupRatio: 0,
  learningRate: 1e-2,
  weightDecay: 0,
  maxSteps: 4,
  saveEvery: 4,
} as const satisfies RunSettings;

const texts = jsonl(
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((i) => ({ text: `the small boat ${"left the harbour ".repeat(i % 4)}` })),
);
const EMBEDDINGS = join(GOLDEN, "embeddings");
const contrast = {
  model: join(EMBEDDINGS, "bert-mean"),
  task: "embedding",
  train: join(EMBEDDINGS, "negatives.jsonl"),
  batchSize: 3,
} as const;

type Values = ReadonlyMap<string, readonly number[]>;

/** The trained tensors in a run's last checkpoint. */
function trainedIn(output: string): Values {
  const file = openSafetensors(join(output, "checkpoint-4", "training_state.safetensors"));
  const values = new Map([...file.names].map((name) => [name, file.readTensor(name).toArray() as number[]] as const));
  file.close();
  return values;
}

const stateIn = (checkpoint: string) => json<SavedState>(join(checkpoint, "training_state.json"));

/** ‖a − b‖ over all tensors. */
const distance = (a: Values, b: Values): number =>
  Math.hypot(...[...a].flatMap(([name, values]) => values.map((value, i) => value - (b.get(name)?.[i] as number))));

/** How far the updates of a run in float16 are from those in float32, relative to them, and both runs' losses. */
async function compared(settings: RunSettings, task?: NamedTask) {
  const of = async (more: RunSettings) => {
    const { output, events } = await run({ ...DESCENT, ...settings, ...more }, task && { task });
    return { values: trainedIn(output), losses: stepsOf(events).map(({ loss }) => loss) };
  };
  const [start, exact, half] = [
    await of({ dtype: "float32", learningRate: 0 }),
    await of({ dtype: "float32" }),
    await of({ dtype: "float16" }),
  ];
  const error = distance(exact.values, half.values) / distance(exact.values, start.values);
  return { error, exact: exact.losses, half: half.losses };
}

describe("float16 agrees with float32 to its precision, and reports unscaled losses", () => {
  test.each([
    ["LoRA, an encoder", { method: "lora" }],
    ["LoRA, a language model", { method: "lora", model: join(GOLDEN, "llama/lm"), task: "causal-lm", train: texts }],
    ["LoRA, an encoder whose norms have no mean", { method: "lora", model: join(GOLDEN, "modernbert/single") }],
    ["LoRA, several batches a step", { method: "lora", batchSize: 2, gradientAccumulation: 2 }],
    ["LoRA, embeddings in mini-batches", { method: "lora", ...contrast, miniBatchSize: 2 }],
    ["full training, with masters in float32", { method: "full" }],
    ["AdaLoRA, with a penalty", { method: "adalora" }],
    ["MiSS", { method: "miss" }],
    // Its first step makes every vector of B equally long, also those whose gradients are rounding errors: with a large λ losses differ.
    ["DeLoRA", { method: "delora", deloraLambda: 0.3 }],
    ["HiRA", { method: "hira" }],
  ] as const satisfies readonly (readonly [string, RunSettings])[])("%s", async (_, settings) => {
    const { error, exact, half } = await compared(settings);
    expect(error).toBeLessThan(5e-3);
    expect(half).toEqual(exact.map((loss) => expect.closeTo(loss, 2)));
  });

  test("gradients far below float16's numbers, for a loss that is multiplied by 1e-6", async () => {
    const own: Task = TASKS["sequence-classification"];
    const task: NamedTask = {
      kind: "tiny",
      task: { ...own, loss: (outputs, batch) => torch.mulScalar(own.loss(outputs, batch), 1e-6) },
    };
    const { error } = await compared({ method: "lora", learningRate: 1e4 }, task);
    expect(error).toBeLessThan(5e-3);
  });
});

describe("gradients that overflow", () => {
  /** Large targets, whose gradients overflow until the scale is low. */
  const rows = jsonl(...[1, 2, 60, 3, 50, 40].map((label, i) => ({ text: `row ${"word ".repeat(i)}`, label })));
  const settings = {
    model: oneLayer("bert/regression"),
    task: "regression",
    method: "lora",
    train: rows,
    dtype: "float16",
    batchSize: 1,
    maxSteps: 6,
    saveEvery: 1,
  } as const satisfies RunSettings;

  test("are skipped and counted, whatever --on-nonfinite and --max-skipped say, and halve the scale", async () => {
    const { output, events } = await run({ ...settings, onNonfinite: "skip", maxSkipped: 1 });
    const skipped = stepsOf(events).map(({ skipped: count = 0 }) => count);
    expect(skipped.slice(0, 3)).not.toContain(0);
    let sum = 0;
    for (const [i, count] of skipped.entries()) {
      sum += count;
      const { overflows, skipped: others, rule } = stateIn(join(output, `checkpoint-${i + 1}`));
      expect({ overflows, others, rule }).toMatchObject({
        overflows: sum,
        others: undefined,
        rule: { steps: i + 1, lossScale: { scale: 65536 / 2 ** sum } },
      });
    }
    expect(events.at(-1)).toMatchObject({ event: "done", skipped: sum });
    expect(bytes(output)).toBe(bytes((await run(settings)).output));
  });

  test.each([1, 3])(
    "a run that is interrupted after step %i and resumed has the same bits and counts",
    async (step) => {
      const whole = await run(settings);
      const output = fresh();
      await run({ ...settings, output }, abortAfter(step));
      const { events } = await run({ ...settings, output, resume: true });
      expect(bytes(output)).toBe(bytes(whole.output));
      const last = [whole.output, output].map((folder) => stateIn(join(folder, "checkpoint-6")));
      expect(last[1]?.rule).toEqual(last[0]?.rule);
      expect(last[1]?.overflows).toBe(last[0]?.overflows);
      expect(events.at(-1)).toMatchObject({ skipped: last[0]?.overflows });
      expect(stepsOf(eventsIn(output)).map(({ loss }) => loss)).toEqual(stepsOf(whole.events).map(({ loss }) => loss));
    },
  );

  test("a loss that is not finite ends the run, since no scale helps", async () => {
    const train = jsonl(...[1, 2, 3, 4].map((i) => ({ text: `row ${i}`, label: 3e30 })));
    await expect(run({ ...settings, train })).rejects.toThrow(/^Step 1: The loss is infinite/);
  });

  test("at every scale end the run", async () => {
    const train = jsonl(...[1, 2, 3, 4].map((i) => ({ text: `row ${i}`, label: 1e15 })));
    await expect(run({ ...settings, train })).rejects.toThrow(/^Step 1: The gradient's norm is /);
  });
});

test("a run in another dtype is not resumed in float16, nor the other way round", async () => {
  for (const [dtype, other] of [
    ["float32", "float16"],
    ["float16", "float32"],
  ] as const) {
    const settings = { method: "lora", output: fresh(), maxSteps: 3 } as const;
    await run({ ...settings, dtype }, abortAfter(1));
    await expect(run({ ...settings, dtype: other, resume: true })).rejects.toThrow(
      `was made with dtype "${dtype}", now it is "${other}"`,
    );
  }
});

describe("with a model in float16", () => {
  const near = (rows: readonly { readonly logits: readonly number[] }[]) =>
    rows.map(({ logits }) => logits.map((logit) => expect.closeTo(logit, 2)));

  test("evaluate and predict give float32's results to its precision", async () => {
    const { output } = await run({ method: "lora", dtype: "float16" });
    const given = { model: join(GOLDEN, "bert/single"), adapter: output } as const;
    const input = join(ROWS, "train.jsonl");
    const half = await predicted({ ...given, input, dtype: "float16" });
    const exact = await predicted({ ...given, input, dtype: "float32" });
    expect(half.map(({ logits }) => logits)).toEqual(near(exact));
    expect(half).not.toEqual(exact);
    const [a, b] = [
      await evaluated({ ...given, data: input, dtype: "float16" }),
      await evaluated({ ...given, data: input, dtype: "float32" }),
    ];
    expect(a.loss).toBeCloseTo(b.loss as number, 2);
  });
});

test("generate writes float32's text", async () => {
  const text = async (dtype: "float16" | "float32") => {
    const rows = generate({
      model: join(GOLDEN, "generation", "llama"),
      prompt: "the small boat",
      maxNewTokens: 6,
      dtype,
    });
    for await (const row of rows) return row.text;
    return undefined;
  };
  const exact = await text("float32");
  expect(exact?.length).toBeGreaterThan(0);
  expect(await text("float16")).toBe(exact);
});

test("BiDoRA is refused, and nothing is written", async () => {
  const output = fresh();
  await expect(run({ method: "bidora", dtype: "float16", output })).rejects.toThrow(
    /^--dtype float16 does not go with --method bidora or --upper, .*: use bfloat16 or float32\.$/,
  );
  expect(list(output)).toEqual([]);
  const { status, stderr } = await bidora("verify-hypergradient", "--model", "m", "--dtype", "float16");
  expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining("--dtype float16") });
});
