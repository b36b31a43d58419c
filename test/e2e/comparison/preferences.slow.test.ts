// Comparisons of methods that learn from preferences.
import { expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import { fresh, jsonl, write } from "../support.js";
import { PAIRS, SMALL_RUN } from "../training/preferenceRows.js";

const train = jsonl(...PAIRS);
const SMALL = { ...SMALL_RUN, train };

const { method: _, ...asked } = SMALL;
const SETTINGS = { ...asked, validation: train, rank: 4 };

test.each(["sigmoid", "orpo", "kto", "simpo"] as const)(
  "compare has the metrics and tests of --loss %s",
  async (loss) => {
    const output = fresh("field");
    const notes: string[] = [];
    const asked = { ...SETTINGS, loss, output, methods: ["lora", "dora"], seeds: [0, 1], maxSteps: 2 };
    const outcome = await compare(asked, { onNote: (note) => notes.push(note) });
    if (outcome.kind !== "compared") throw new Error(outcome.kind);
    const [task] = outcome.result.tasks;
    const name = loss === "sigmoid" ? "rewards_accuracy" : "loss";
    expect(task!.metrics[0]!.name).toBe(name);
    expect(outcome.result.runs.map(({ metrics }) => metrics[name])).toEqual(new Array(4).fill(expect.any(Number)));
    const isMean = loss === "sigmoid" || loss === "simpo";
    expect(outcome.result.tests.some((one) => one.test === "bootstrap" && one.metric === name)).toBe(isMean);
    expect(notes.join().includes("no mean over")).toBe(!isMean);
  },
);

test("methods with different losses or β are scored each by its own, and their losses are not compared", async () => {
  const output = fresh("field");
  const methods = [
    { name: "strong", method: "lora", beta: 0.5 },
    { name: "weak", method: "lora", beta: 0.05 },
  ];
  const runFile = write("field.yaml", JSON.stringify({ ...SETTINGS, methods, seeds: [0, 1], maxSteps: 2 }));
  const asked = { runFile, output, mainMetric: "rewards_margin" };
  const outcome = await compare(asked);
  if (outcome.kind !== "compared") throw new Error(outcome.kind);
  const { runs, tests } = outcome.result;
  const mean = (name: string) => {
    const own = runs.filter(({ method }) => method === name).map(({ metrics }) => metrics.rewards_margin!);
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  };
  const difference = expect.closeTo(mean("strong") - mean("weak"), 3);
  const over = tests.find(({ test, metric }) => test === "bootstrap" && metric === "rewards_margin");
  expect(over).toMatchObject({ a: "strong", b: "weak", statistic: difference });
  expect(tests.some(({ metric }) => metric === "loss")).toBe(false);
  await expect(compare({ ...asked, mainMetric: "loss" })).rejects.toThrow(/loss/);
});
