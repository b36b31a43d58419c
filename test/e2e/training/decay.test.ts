// Runs with --upper decay, from the flags to the files.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { randomRun, results } from "../interruption/results.js";
import {
  abortAfter,
  bidora,
  bytes,
  evaluated,
  fresh,
  json,
  ROWS,
  run,
  SMALL,
  SMALL_FLAGS,
  stepsOf,
} from "../support.js";

const RANDOM = randomRun();
const VALIDATION = join(ROWS, "pairs.jsonl");
const UPPER = { method: "lora", upper: "decay", dtype: "float32", weightDecay: 0.3, validation: VALIDATION } as const;

type Values = Readonly<Record<string, number>>;

const upperIn = (folder: string) =>
  json<{ upper: { group: string; values: Values } }>(join(folder, "bidora.json")).upper;

const searched = ({ events }: Pick<Awaited<ReturnType<typeof run>>, "events">) =>
  stepsOf(events).filter((step) => step.upper !== undefined);

test("the log has λ of each group after each step of the search, and the side file the last ones", async () => {
  const { output, metrics, ...rest } = await run(UPPER);
  const steps = searched(rest);
  expect(steps.map(({ phase }) => phase)).toEqual(new Array(4).fill("search"));
  const { group, values } = upperIn(output);
  expect(group).toBe("decay");
  expect(values).toEqual(steps.at(-1)!.upper);
  expect(Object.keys(values).sort()).toEqual(
    ["head", ...[0, 1, 2].flatMap((n) => [`lora_A.${n}`, `lora_B.${n}`])].sort(),
  );
  // The first step of a warm-up has a rate of 0, and so a gradient of 0; Adam's second step is by the peak rate.
  for (const value of Object.values(steps[0]!.upper!)) expect(value).toBeCloseTo(0.3, 14);
  expect(steps[0]!.hypergradientNorm).toBe(0);
  expect(steps[1]!.hypergradientNorm).toBeGreaterThan(0);
  for (const step of steps) expect("secondOrderShare" in step).toBe(false);
  const moved = Object.values(steps[1]!.upper!).map((value) => Math.abs(Math.log(value / 0.3)));
  expect(Math.max(...moved)).toBeGreaterThan(0.01);
  expect((await evaluated({ model: SMALL.model, adapter: output, data: VALIDATION })).loss).toBeCloseTo(
    metrics!.loss!,
    5,
  );
});

test("the report has a curve for each group", async () => {
  const { output } = await run({ ...UPPER, maxSteps: 3 });
  const page = readFileSync(join(output, "report.html"), "utf8");
  expect(page).toContain("Values of the upper level");
  for (const name of ["lora_A.0", "lora_B.2", "head"]) expect(page).toContain(name);
});

describe("an interrupted and resumed run has the same bits", () => {
  test.each<readonly [string, RunSettings, number]>([
    ["lora, in the search", { method: "lora", unrollSteps: 2, gradientAccumulation: 2 }, 3],
    ["lora, between the phases", { method: "lora" }, 6],
    ["lora, in the retraining", { method: "lora", maxGradNorm: 0.01 }, 9],
    ["dora with lion, in the search", { method: "dora", optimizer: "lion", learningRate: 1e-3 }, 2],
    ["dora with sgd, in the retraining", { method: "dora", optimizer: "sgd", learningRate: 0.1 }, 8],
    [
      "adalora with adamw8bit, in the search",
      { method: "adalora", optimizer: "adamw8bit", adaloraTinit: 1, adaloraTfinal: 1 },
      4,
    ],
    ["ia3, in the search", { method: "ia3" }, 3],
  ])("%s", async (_, more, step) => {
    const { dropout, ...drawn } = RANDOM;
    const settings = { ...drawn, ...UPPER, ...(more.method !== "ia3" && { dropout }), ...more };
    const whole = await run(settings);
    const values = searched(whole).map(({ upper }) => upper);
    expect(new Set(values.map((value) => JSON.stringify(value))).size).toBeGreaterThan(3);
    const output = fresh();
    const first = await run({ ...settings, output }, abortAfter(step));
    const second = await run({ ...settings, output, resume: true });
    expect(results(output)).toEqual(results(whole.output));
    expect([...searched(first), ...searched(second)].map(({ upper }) => upper)).toEqual(values);
  });

  test("full fine-tuning on, in either phase", async () => {
    const { dropout: _, ...drawn } = RANDOM;
    const settings = { ...drawn, ...UPPER, method: "full", learningRate: 1e-3 } as const;
    const whole = await run(settings);
    expect(Object.keys(upperIn(whole.output).values).sort()).toEqual(["head", "weight", "weight.0"]);
    for (const step of [2, 8]) {
      const output = fresh();
      await run({ ...settings, output }, abortAfter(step));
      await run({ ...settings, output, resume: true });
      expect(bytes(output, "model.safetensors")).toBe(bytes(whole.output, "model.safetensors"));
      expect(upperIn(output)).toEqual(upperIn(whole.output));
    }
  });
});

test("retraining decays by the search's last values: with a rate of 0 in the search it is that of plain training", async () => {
  const settings = { ...UPPER, shuffle: false, maxSteps: 3, batchSize: 4, retrainSteps: 5 } as const;
  const still = await run({ ...settings, upperLearningRate: 0 });
  const plain = await run({
    ...settings,
    method: "lora",
    upper: undefined,
    retrainSteps: undefined,
    maxSteps: 5,
  } as RunSettings);
  expect(bytes(still.output)).toBe(bytes(plain.output));
  const moved = await run({ ...settings, upperLearningRate: 2 });
  expect(bytes(moved.output)).not.toBe(bytes(plain.output));
});

test("a packed base, and --retrain-steps 0", async () => {
  const { output, ...rest } = await run({ ...UPPER, baseDtype: "nf4", retrainSteps: 0 });
  expect(upperIn(output).values).toEqual(searched(rest).at(-1)!.upper);
});

test("the best state of a search that ends early has its decays", async () => {
  const settings = { ...UPPER, maxSteps: 20, searchPatience: 1, upperLearningRate: 0.3, learningRate: 0.3 } as const;
  const { output, ...rest } = await run({ ...settings, warmupRatio: 0 });
  const values = searched(rest).map(({ upper }) => upper);
  expect(values.length).toBeLessThan(20);
  expect(upperIn(output).values).not.toEqual(values.at(-1));
  expect(values).toContainEqual(upperIn(output).values);
});

describe("wrong usage", () => {
  const base = ["--model", SMALL.model, "--train", SMALL.train, "--upper", "decay"];
  test.each<readonly [readonly string[], RegExp]>([
    [["--method", "lora", "--weight-decay", "0"], /^bidora: --upper decay starts from the logarithm of --weight-decay/],
    [
      ["--method", "lora", "--hypergradient", "exact"],
      /No effect in this run: --hypergradient \(.* except --upper decay\)/,
    ],
    [["--method", "lora", "--xi", "1"], /No effect in this run: --xi/],
    [["--method", "lora", "--hypergradient-terms", "2"], /No effect in this run: --hypergradient-terms/],
    [["--method", "lora", "--upper-weight-decay", "0.1"], /No effect in this run: --upper-weight-decay/],
    [["--method", "lora", "--regularizer", "1"], /No effect in this run: --regularizer/],
    [["--method", "bidora"], /--upper decay does not go with --method bidora/],
  ])("%j", async (flags, message) => {
    for (const command of ["finetune", "verify-hypergradient"]) {
      const { status, stderr } = await bidora(command, ...base, ...flags);
      expect(stderr.replace(/^[^:]*: /, "bidora: "), command).toMatch(message);
      expect(status).toBe(2);
    }
  });

  test.each<readonly [readonly string[], RegExp]>([
    [["--implicit-products", "3"], /--implicit-products has no effect with --upper decay/],
    [["--optimizer", "sgd"], /differentiates through the steps of adamw, not of sgd/],
  ])("verify-hypergradient %j", async (flags, message) => {
    const { status, stderr } = await bidora("verify-hypergradient", ...base, "--method", "lora", ...flags);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

test.each(["lora", "dora", "full"])(
  "verify-hypergradient --method %s: the formula is autograd's through AdamW",
  async (method) => {
    const flags = [...SMALL_FLAGS, "--method", method, "--upper", "decay"];
    const more = ["--unroll-steps", "2", "--max-grad-norm", "0.1", "--precision", "float64"];
    const { status, stdout } = await bidora("verify-hypergradient", ...flags, ...more, "--json");
    expect(status).toBe(0);
    const found = JSON.parse(stdout) as { estimators: { name: string; cosine: number; relativeError: number }[] };
    expect(found).not.toHaveProperty("implicit");
    expect(found.estimators.map(({ name }) => name)).toEqual(["exact"]);
    expect(found.estimators[0]!.relativeError).toBeLessThan(1e-12);
    expect(found.estimators[0]!.cosine).toBeCloseTo(1, 12);
    const shown = await bidora("verify-hypergradient", ...flags);
    expect(shown.stdout).toMatch(/exact +1\.000000/);
    expect(shown.stdout).not.toMatch(/implicit|share/i);
  },
);
