import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { flagOf, type Option } from "../../../src/base/settings/option.js";
import {
  estimatorsFor,
  methodNames,
  type RunConfig,
  type RunKey,
  type RunSettings,
  refuseUnused,
  resolveRun,
  runOptions,
} from "../../../src/tasks/config/index.js";
import { OPTIMIZERS, type OptimizerName } from "../../../src/torch/optim/index.js";

/** Each with all of the others: what conditions can depend on. */
const AXES: readonly (readonly RunSettings[])[] = [
  [
    ...methodNames.map((method) => ({ method })),
    { method: "lora", upper: "sources", sourceColumn: "s" },
    { method: "full", upper: "decay" },
    { method: "full", upper: "head" },
    { method: "lora", initLoraWeights: "eva" },
  ],
  estimatorsFor("magnitudes").map((hypergradient) => ({ hypergradient })),
  (Object.keys(OPTIMIZERS) as OptimizerName[]).map((optimizer) => ({ optimizer })),
  [{}, { retrainSteps: 0 }, { retrainSteps: 2 }],
  [
    {},
    { saveEvery: 1, earlyStopping: 1, baseDtype: "nf4", shuffle: false },
    { searchFolds: 2 },
    { upperTrain: "u" },
    { searchPatience: 1, onNonfinite: "skip", oftCoft: true },
  ],
  [
    { task: "sequence-classification", train: "t" },
    { task: "regression", train: "t" },
    { task: "embedding", train: "t" },
    { task: "reranking", train: "t" },
    { task: "preference", train: "t" },
    { task: "preference", loss: "robust", train: "t" },
    { task: "preference", loss: "simpo", train: "t" },
    { task: "preference", loss: "kto", train: "t" },
    { task: "reward", train: "t" },
    { task: "glue/mrpc", data: "d" },
    { task: "reuters21578/modapte", data: "d" },
    { task: "e2e-nlg", data: "d" },
  ],
];

const runs = AXES.reduce<readonly RunSettings[]>(
  (all, axis) => all.flatMap((settings) => axis.map((choice) => ({ ...settings, ...choice }))),
  [{ model: "m" }],
)
  // every seventh: no axis has a multiple of seven choices, so that every pair of choices occurs
  .filter((_, i) => i % 7 === 0)
  .map((settings) => resolveRun(settings));

const options = Object.entries<Option>(runOptions);

const errorOf = (key: string, value: unknown, run: RunConfig): string | undefined => {
  try {
    refuseUnused({ [key]: value }, run);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

/** The different ones in many runs. */
const errorsOf = (key: string, value: unknown, runs: Iterable<RunConfig>) => [
  ...new Set(Array.from(runs, (run) => errorOf(key, value, run))),
];

describe.each(options.filter(([, { appliesWhen }]) => appliesWhen))("%s", (key, { appliesWhen }) => {
  test("applies in some runs, and is refused by name in all others", () => {
    const idle = runs.filter((run) => !appliesWhen!.holds(run));
    expect(idle.length).toBeGreaterThan(0);
    expect(idle.length).toBeLessThan(runs.length);
    const refusal = `No effect in this run: ${flagOf(key)} (applies only ${appliesWhen!.only}); leave it out.`;
    const applying = runs.filter((run) => appliesWhen!.holds(run));
    expect(errorsOf(key, "some value", applying)).toEqual([undefined]);
    expect(errorsOf(key, "some value", idle)).toEqual([refusal]);
  });
});

const words = options.flatMap(([key, { valueAppliesWhen = {} }]) =>
  Object.entries(valueAppliesWhen).map(([word, acts]) => ({ key, word, acts })),
);

test.each(words)("$key $word applies in some runs, and is refused by name in others", ({ key, word, acts }) => {
  const option: Option = runOptions[key as RunKey];
  expect(option.words).toContain(word);
  const open = runs.filter((run) => option.appliesWhen?.holds(run) !== false);
  const idle = open.filter((run) => !acts.holds(run));
  expect(idle.length).toBeGreaterThan(0);
  expect(idle.length).toBeLessThan(open.length);
  const refusal = `No effect in this run: ${flagOf(key)} ${word} (applies only ${acts.only}); leave it out.`;
  const acting = open.filter((run) => acts.holds(run));
  expect(errorsOf(key, word, acting)).toEqual([undefined]);
  expect(errorsOf(key, word, idle)).toEqual([refusal]);
});

test("every other option applies in every run", () => {
  for (const [key, { appliesWhen }] of options)
    if (!appliesWhen) expect(errorsOf(key, "some value", runs)).toEqual([undefined]);
});

test("every option is read somewhere", () => {
  const src = fileURLToPath(new URL("../../../src/", import.meta.url));
  const files = readdirSync(src, { recursive: true, encoding: "utf8" });
  const text = files
    .filter((name) => name.endsWith(".ts") && !name.startsWith("config"))
    .map((name) => readFileSync(join(src, name), "utf8"))
    .join("\n");
  for (const [key] of options) expect(text, key).toMatch(new RegExp(`\\b${key}\\b`));
});

test("AdaLoRA's pruning schedule does not apply if there is nothing to prune", () => {
  const run = (adaloraInitRank: number) => resolveRun({ model: "m", method: "adalora", rank: 4, adaloraInitRank });
  for (const key of ["adaloraTinit", "adaloraTfinal", "adaloraDeltaT"]) {
    expect(errorOf(key, 1, run(5))).toBeUndefined();
    expect(errorOf(key, 1, run(4))).toContain(
      "applies only with --method adalora and an --adalora-init-rank above --rank",
    );
  }
  expect(errorOf("adaloraOrthogonalWeight", 1, run(4))).toBeUndefined();
});
