import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import type { ComparisonFile, FrozenPlan } from "../../../src/base/records/index.js";
import { fresh, json } from "../support.js";
import { file } from "./small.js";

const flags = { runFile: file, methods: ["lora"], maxSteps: 1 };
const frozenIn = (output: string) => json<ComparisonFile>(join(output, "comparison.json")).frozen!;

test("a plan is frozen before the runs; the results name its hash, and what departs from it", async () => {
  const [plan, output, notes] = [join(fresh("plans"), "plan.json"), fresh("frozen"), [] as string[]];
  const hooks = { onNote: (note: string) => notes.push(note) };
  await compare({ ...flags, seeds: [0, 1], freeze: plan, dryRun: true, output }, hooks);
  const { sha256, ...found } = json<FrozenPlan>(plan);
  expect(notes).toContain(`Froze the plan in ${plan}, SHA-256 ${sha256}.`);
  expect(Object.keys(found.runs)).toEqual([0, 1].map((seed) => `sequence-classification/lora/seed-${seed}`));
  expect(found).toMatchObject({ methods: ["lora"], seeds: [0, 1], begun: [], tasks: [{ metric: "accuracy" }] });
  expect(Object.values(found.runs)[0]).toMatchObject({ settings: { maxSteps: 1 }, data: expect.any(Object) });
  const before = readFileSync(plan, "utf8");
  // The folder keeps the plan: the flag need not be repeated.
  await compare({ ...flags, seeds: [0], output }, hooks);
  expect(frozenIn(output)).toEqual({
    sha256,
    departures: ["These planned runs have no results: sequence-classification/lora/seed-1."],
  });
  await compare({ ...flags, seeds: [0, 1], freeze: plan, output }, hooks);
  expect(frozenIn(output)).toEqual({ sha256, departures: [] });
  expect(readFileSync(plan, "utf8")).toBe(before);
  for (const name of ["comparison.md", "comparison.tex", "report.html"])
    expect(readFileSync(join(output, name), "utf8"), name).toContain(sha256);

  await compare({ ...flags, methods: ["lora", "dora"], seeds: [0, 2], margin: 0.1, output }, hooks);
  expect(frozenIn(output).departures).toEqual([
    "These methods are not in the plan: dora.",
    "These seeds are not in the plan: 2.",
    "The margin is 0.1, the plan has none.",
  ]);

  const other = fresh("other");
  await compare({ ...flags, seeds: [0, 1], freeze: plan, learningRate: 0.5, output: other }, hooks);
  expect(frozenIn(other).departures).toEqual([
    expect.stringMatching(
      /^sequence-classification\/lora\/seed-0, sequence-classification\/lora\/seed-1: learningRate 0.5, the plan has /,
    ),
  ]);
}, 300_000);
