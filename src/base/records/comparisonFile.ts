// The one reader and writer of comparison.json.
import { join } from "node:path";
import * as z from "zod";
import { BidoraError } from "../errors.js";
import { firstFault } from "../schema.js";
import { writeFileAtomic } from "./atomic.js";
import { BASELINES, CONDITIONS, type Comparison, type ComparisonFile } from "./comparison.js";
import type { BootstrapTest } from "./comparisonTests.js";
import { readJsonObject } from "./json.js";

export const COMPARISON = "comparison.json";

const CONDITION_KEYS = Object.keys(CONDITIONS) as (keyof typeof CONDITIONS)[];

const number = z.number();
const name = z.string();
const seeds = { seed: number, dataSeed: number.exactOptional() };
const id = { task: name, method: name, ...seeds };

const evaluatedRows = z.array(z.enum(["validation", "test", "holdout"])).exactOptional();

const run = z.object({
  ...id,
  metrics: z.record(name, number),
  trainedParameters: number,
  totalParameters: number.exactOptional(),
  seconds: number,
  peakMemoryBytes: number,
  untrained: z.literal(true).exactOptional(),
  constant: evaluatedRows,
  constantLabels: evaluatedRows,
  conditions: z.partialRecord(z.enum(CONDITION_KEYS), z.union([name, number])).exactOptional(),
});

const triedPoint = z.object({
  ...id,
  point: z.record(name, z.json()),
  score: number.nullable(),
  seconds: number.nullable(),
  chosen: z.boolean(),
  tied: number.exactOptional(),
  reason: name.exactOptional(),
});

const baseline = z.object({ task: name, baseline: z.enum(BASELINES), metric: name, value: number });

const variance = z.object({
  ...{ task: name, method: name, metric: name, seeds: number, dataSeeds: number },
  ...{ dataSeed: number, seed: number, residual: number, rows: number.nullable() },
});

const metric = z.object({ name, goal: z.enum(["maximize", "minimize"]), kind: name.exactOptional() });
const split = z.enum(["validation", "test"]);
const rows = z.object({ split, count: number.exactOptional() });
const comparedTask = z.object({
  name,
  title: name.exactOptional(),
  metrics: z.tuple([metric], metric),
  rows: rows.exactOptional(),
  beside: z.object({ rows, metrics: z.array(metric) }).exactOptional(),
  chosenByRows: z.array(name).exactOptional(),
});

const curveRun = z.object({
  ...id,
  point: z.record(name, z.json()),
  metrics: z.record(name, number).nullable(),
  seconds: number.nullable(),
  reason: name.exactOptional(),
  diverged: z.literal(true).exactOptional(),
});
const curvePoint = z.object({
  value: number,
  mean: number.nullable(),
  deviation: number.nullable(),
  diverged: number,
  best: number.nullable(),
});
const curveSummary = z.object({
  ...{ task: name, method: name, setting: name, metric, seeds: z.array(number), points: z.array(curvePoint) },
  ...{ best: number.nullable(), optimism: number.nullable() },
});

const tested = {
  a: name,
  b: name,
  metric: name,
  pairs: number,
  differing: number,
  unmatched: number,
  repeated: number.exactOptional(),
  population: z.enum([
    "seeds of this task",
    "seeds of these tasks",
    "tasks",
    "rows of this task",
    "seeds and rows of this task",
  ]),
  task: name.exactOptional(),
};
const withP = { ...tested, p: number, pHolm: number };
const effect = z.object({
  meanDifference: number,
  standardError: number.nullable(),
  cohensDz: number.nullable(),
  rankBiserial: number,
});
const rowGroup = {
  tasks: z.array(name),
  share: z.array(z.enum(["training rows", "evaluated rows", "rows that one trains on and another evaluates", "files"])),
};
const wilcoxon = {
  test: z.enum(["wilcoxon", "wilcoxon-tasks"]),
  statistic: number,
  effect,
  tasks: z.array(name).exactOptional(),
  kind: name.exactOptional(),
  joined: z.array(z.object({ ...rowGroup, repeated: z.array(name).exactOptional() })).exactOptional(),
};
const resamples = { low: number, high: number, confidence: number, resamples: number };
const bootstrap = {
  ...resamples,
  test: z.literal("bootstrap"),
  statistic: number,
  confidence: number.exactOptional(),
  pStandardError: number,
};
const overSeedsAndRows = { ...resamples, task: name, seeds: number, difference: number };
const twoLevel = { ...overSeedsAndRows, test: z.literal("two-level"), pStandardError: number };
const equivalence = { ...overSeedsAndRows, test: z.literal("equivalence"), margin: number, equivalent: z.boolean() };

const cost = z.object({ seconds: number, step: number });
const reached = z.object({
  task: name,
  target: number,
  split: split.exactOptional(),
  runs: z.array(z.object({ method: name, ...seeds, cost: cost.nullable() })),
});

const schema = z.object({
  runs: z.array(run),
  tests: z.array(
    z.discriminatedUnion("test", [
      z.object({ ...withP, ...wilcoxon }),
      z.object({ ...withP, ...bootstrap }),
      z.object({ ...withP, ...twoLevel }),
      z.object({ ...tested, ...equivalence }),
    ]),
  ),
  failed: z
    .array(z.object({ ...id, reason: name, code: name.exactOptional(), step: number.exactOptional() }))
    .default([]),
  unfinished: z.array(z.object({ ...id, state: z.enum(["running", "stopped", "waiting", "missing"]) })).default([]),
  tuning: z.array(triedPoint).default([]),
  curve: z.array(curveRun).exactOptional(),
  curves: z.array(curveSummary).exactOptional(),
  baselines: z.array(baseline).exactOptional(),
  variance: z.array(variance).exactOptional(),
  notes: z.array(name).exactOptional(),
  tasks: z.array(comparedTask),
  methods: z.array(name),
  competitors: z
    .array(z.object({ name, method: name, settings: z.record(name, z.json()), byTask: z.array(name).exactOptional() }))
    .exactOptional(),
  pairs: z.array(z.tuple([name, name])).exactOptional(),
  rowGroups: z.array(z.object(rowGroup)).exactOptional(),
  frozen: z.object({ sha256: name, departures: z.array(name) }).exactOptional(),
  reached: z.array(reached),
  conditions: z.record(name, z.unknown()),
});

export function writeComparisonFile(folder: string, comparison: ComparisonFile): void {
  writeFileAtomic(join(folder, COMPARISON), `${JSON.stringify(comparison, undefined, 2)}\n`);
}

/** @throws BidoraError `COMPARISON` for a file that can't be read or has another form */
export function readComparisonFile(folder: string): ComparisonFile {
  const path = join(folder, COMPARISON);
  const parsed = schema.safeParse(readIfObject(path));
  if (parsed.success) {
    const { tests, ...found } = parsed.data;
    return { ...found, tests: tests.map((test) => (test.test === "bootstrap" ? withSign(test, found.tasks) : test)) };
  }
  const { key, what } = firstFault(parsed.error.issues, "the file");
  throw new BidoraError(
    "COMPARISON",
    `Expected the results of a comparison in ${path}, but they are incomplete or from an older version (${key}: ${what}); write the file again with compare --collect.`,
  );
}

/** Earlier versions wrote no confidence, and the plain difference of a minus b even where lower is better. */
function withSign(
  { confidence, ...test }: Omit<BootstrapTest, "confidence"> & { readonly confidence?: number },
  tasks: Comparison["tasks"],
): BootstrapTest {
  if (confidence !== undefined) return { ...test, confidence };
  const main = tasks.find(({ name }) => name === test.task)?.metrics[0];
  const { statistic, low, high } = test;
  const negated = main?.goal === "minimize" && { statistic: -statistic, low: -high, high: -low };
  return { ...test, ...negated, confidence: 0.95 };
}

function readIfObject(path: string): unknown {
  try {
    return readJsonObject(path);
  } catch (error) {
    if ((error as BidoraError).code === "FILE") throw error;
    return undefined;
  }
}
