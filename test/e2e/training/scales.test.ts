// Runs with --upper scales, from the flags to the files.
import { join } from "node:path";
import { expect, test } from "vitest";
import { abortAfter, bidora, evaluated, fresh, json, predicted, ROWS, run, SMALL, stepsOf } from "../support.js";

const VALIDATION = join(ROWS, "pairs.jsonl");
const UPPER = {
  upper: "scales",
  learningRate: 0.05,
  warmupRatio: 0,
  dtype: "float32",
  validation: VALIDATION,
} as const;

type Values = Readonly<Record<string, number>>;

const upperIn = (folder: string) =>
  json<{ upper: { group: string; values: Values } }>(join(folder, "bidora.json")).upper;
const alphasIn = (folder: string) => json<{ alpha_pattern: Values }>(join(folder, "adapter_config.json")).alpha_pattern;

/** The factors after each step of the search; steps of other phases have none. */
const factorsOf = ({ events }: Pick<Awaited<ReturnType<typeof run>>, "events">): readonly Values[] =>
  stepsOf(events).flatMap(({ phase, upper }) => {
    expect(upper === undefined).toBe(phase !== "search");
    return upper ? [upper] : [];
  });

const times = (factors: Values, alphaOf: (path: string) => number): Values =>
  Object.fromEntries(Object.entries(factors).map(([path, c]) => [path, c * alphaOf(path)]));

test.each(["lora", "dora"] as const)(
  "%s: log, side file and alphas have the factors, and all commands agree",
  async (method) => {
    const patterns = { alpha: 6, alphaPattern: { "layer.0.attention.self.query": 3 }, rankPattern: { value: 2 } };
    const settings = { ...UPPER, method, rslora: true, rank: 4, ...patterns, upperLearningRate: 1.5, saveEvery: 3 };
    const { output, metrics, ...rest } = await run(settings);
    const factors = factorsOf(rest);
    const { group, values } = upperIn(output);
    expect(group).toBe("scales");
    expect(values).toEqual(factors.at(-1)); // retraining holds them
    expect(Object.keys(values)).toHaveLength(6);
    expect(Math.min(...Object.values(values))).toBeLessThan(0);
    const alphaOf = (path: string) => (path.endsWith("layer.0.attention.self.query") ? 3 : 6);
    expect(alphasIn(output)).toEqual(times(values, alphaOf));
    const early = join(output, "checkpoint-3");
    expect(upperIn(early).values).toEqual(factors[2]);
    expect(alphasIn(early)).toEqual(times(factors[2]!, alphaOf));

    const [model, adapter, input] = [SMALL.model, output, VALIDATION];
    expect((await evaluated({ model, adapter, data: input })).loss).toBeCloseTo(metrics!.loss!, 5);
    const own = (await predicted({ model, adapter, input })).map(({ logits }) => logits);
    const [merged, exported] = [fresh("merged"), fresh("lora")];
    expect(await bidora("merge", "--model", model, "--adapter", adapter, "--output", merged)).toMatchObject({
      status: 0,
    });
    const rank = ["--rank", "36"];
    const to = ["--to", "peft-lora", ...rank, "--model", model, "--adapter", adapter, "--output", exported];
    expect(await bidora("export", ...to)).toMatchObject({ status: 0 });
    for (const other of [{ model: merged }, { model, adapter: exported }]) {
      const logits = (await predicted({ ...other, input })).map((row) => row.logits);
      expect(
        Math.max(...logits.flatMap((row, i) => row.map((value, j) => Math.abs(value - own[i]![j]!)))),
      ).toBeLessThan(1e-5);
    }
  },
);

test("a run that starts from such an adapter has factors from 1 on top of its alphas", async () => {
  const { output: adapter } = await run({ ...UPPER, method: "lora", upperLearningRate: 1.5 });
  const before = alphasIn(adapter);
  const { output, ...rest } = await run({ ...UPPER, adapter, upperLearningRate: 0.1, maxSteps: 2, retrainSteps: 1 });
  const [first, last] = factorsOf(rest);
  for (const c of Object.values(first!)) expect(Math.abs(c - 1)).toBeCloseTo(0.1, 4); // Adam's first step
  expect(alphasIn(output)).toEqual(times(last!, (path) => before[path]!));
  // without a second level its alphas stay
  const { output: plain } = await run({ ...SMALL, adapter, maxSteps: 1 });
  expect(alphasIn(plain)).toEqual(before);
});

test("the best state of a search that ends early has its factors, in the same bits after an interruption", async () => {
  const restless = { ...UPPER, method: "lora", maxSteps: 20, searchPatience: 1, upperLearningRate: 0.3 } as const;
  const whole = await run({ ...restless, learningRate: 0.3 });
  const factors = factorsOf(whole);
  expect(factors.length).toBeLessThan(20);
  const { values } = upperIn(whole.output);
  expect(values).not.toEqual(factors.at(-1));
  expect(factors).toContainEqual(values);
  const output = fresh();
  await run({ ...restless, learningRate: 0.3, output }, abortAfter(factors.length + 2));
  await run({ ...restless, learningRate: 0.3, output, resume: true });
  expect(upperIn(output).values).toEqual(values);
  expect(alphasIn(output)).toEqual(alphasIn(whole.output));
});

test("--retrain-steps 0 keeps both levels of the search", async () => {
  const { output, ...rest } = await run({ ...UPPER, method: "dora", retrainSteps: 0 });
  expect(upperIn(output).values).toEqual(factorsOf(rest).at(-1));
});

test.each([
  ["bidora", /whose upper level trains the magnitudes/],
  ["vera", /^--upper scales does not go with --method vera/],
] as const)("%s has no such factors", async (method, message) => {
  await expect(run({ ...UPPER, method })).rejects.toThrow(message);
});
