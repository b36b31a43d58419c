import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import * as z from "zod";
import { BidoraError } from "../common/errors.js";
import { refuseSpecialFile } from "../common/fileSystem.js";
import type { Comparison } from "../compare/comparison.js";
import type { ScoreReached } from "../compare/costColumns.js";
import type { SignificanceTest } from "../compare/significanceTest.js";
import { type RunLog, readRunLog } from "./runLog.js";

/** What sums up a comparison in its folder, beside its runs. */
export const COMPARISON = "comparison.json";

const number = z.number();
const name = z.string();

const run = z.object({
  task: name,
  method: name,
  seed: number,
  metrics: z.record(name, number),
  trainedParameters: number,
  seconds: number,
  peakMemoryBytes: number,
});

const metric = z.object({ name, goal: z.enum(["maximize", "minimize"]) });

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

const tested = {
  a: name,
  b: name,
  metric: name,
  p: number,
  pHolm: number,
  pairs: number,
  differing: number,
  unmatched: number,
  statistic: number,
  population: z.enum(["seeds of this task", "seeds of these tasks", "tasks", "rows of this task"]),
  task: name.exactOptional(),
};
const effect = z.object({
  meanDifference: number,
  standardError: number.nullable(),
  cohensDz: number.nullable(),
  rankBiserial: number,
});

const drawn = { resamples: number, pStandardError: number };

const tasks = z.array(name).exactOptional();

const test = z.discriminatedUnion("test", [
  z.object({ ...tested, test: z.enum(["wilcoxon", "wilcoxon-tasks"]), effect, tasks }),
  z.object({ ...tested, test: z.literal("bootstrap"), low: number, high: number, ...drawn }),
]);

const named = { task: name, method: name, seed: number };
const failed = z.object({ ...named, reason: name, code: name.exactOptional(), step: number.exactOptional() });
const unfinished = z.object({ ...named, state: z.enum(["running", "stopped", "waiting"]) });

const cost = z.object({ seconds: number, step: number });
const reached = z.object({
  task: name,
  target: number,
  split: split.exactOptional(),
  runs: z.array(z.object({ method: name, seed: number, cost: cost.nullable() })),
});

const schema = z.object({
  runs: z.array(run),
  tests: z.array(test),
  failed: z.array(failed).default([]),
  unfinished: z.array(unfinished).default([]),
  tasks: z.array(comparedTask),
  methods: z.array(name),
  reached: z.array(reached),
  conditions: z.record(name, z.unknown()),
});

/** What a comparison found, as its file holds it. */
export interface ComparisonFile extends Comparison {
  readonly tests: readonly SignificanceTest[];
  readonly reached: readonly ScoreReached[];
  readonly conditions: Readonly<Record<string, unknown>>;
}

/** A comparison with the logs of those of its runs whose folders are there. */
export interface ComparisonLog extends Omit<ComparisonFile, "runs"> {
  /** Name of the comparison's folder. */
  readonly name: string;
  readonly runs: readonly (ComparisonFile["runs"][number] & { readonly log: RunLog | undefined })[];
}

/**
 * Reads a comparison from its folder, TASK/METHOD/seed-N beside `comparison.json`.
 * @throws BidoraError `COMPARISON` for a file that can't be read or is of another form
 */
export async function readComparison(folder: string): Promise<ComparisonLog> {
  return withLogs(folder, await readFileOf(join(folder, COMPARISON)));
}

/** What a comparison found, with the logs of its runs where they are there; tasks by the names that they were asked for by. */
export async function withLogs(folder: string, found: ComparisonFile): Promise<ComparisonLog> {
  const titles = new Map(found.tasks.map(({ name, title = name }) => [name, title]));
  const renamed = <T extends { readonly task?: string }>(one: T): T =>
    one.task === undefined ? one : { ...one, task: titles.get(one.task) ?? one.task };
  const renamedTasks = (test: SignificanceTest): SignificanceTest =>
    "tasks" in test ? { ...test, tasks: test.tasks.map((task) => titles.get(task) ?? task) } : test;
  const runs = found.runs.map(async (one) => {
    const [shown, log] = [renamed(one), await logOf(folder, one)];
    return { ...shown, log: log && { ...log, name: `${shown.task} ${shown.method} seed ${shown.seed}` } };
  });
  return {
    ...found,
    name: basename(resolve(folder)),
    tasks: found.tasks.map(({ title, ...task }) => ({ ...task, name: title ?? task.name })),
    ...(found.failed && { failed: found.failed.map(renamed) }),
    ...(found.unfinished && { unfinished: found.unfinished.map(renamed) }),
    tests: found.tests.map(renamed).map(renamedTasks),
    reached: found.reached.map(renamed),
    runs: await Promise.all(runs),
  };
}

async function readFileOf(path: string): Promise<ComparisonFile> {
  refuseSpecialFile(path);
  const text = await readFile(path, "utf8").catch(() => "");
  const parsed = schema.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BidoraError(
    "COMPARISON",
    `Expected the results of a comparison in ${path}, which are incomplete or of an older version (${issue?.path.join(".") || "the file"}: ${issue?.message}); write the file again with compare --collect.`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A run whose log is gone has its figures in the comparison's file all the same. */
function logOf(folder: string, { task, method, seed }: ComparisonFile["runs"][number]): Promise<RunLog | undefined> {
  // Names come from a file: none may lead out of the folder.
  if ([task, method].some((part) => /[/\\]/.test(part) || part === "..")) return Promise.resolve(undefined);
  return readRunLog(join(folder, task, method, `seed-${seed}`)).catch(() => undefined);
}
