import { existsSync } from "node:fs";
import { group } from "d3-array";
import { BidoraError, UsageError } from "../../common/errors.js";
import { type RunConfig, type RunSettings, resolveRun } from "../../config/index.js";
import type { Dataset } from "../../data/index.js";
import { readConfig } from "../../io/checkpoint.js";
import type { HubOptions } from "../../io/hub/options.js";
import { architectureOf, designOf } from "../../models/index.js";
import { flagOf } from "../../settings/option.js";
import { checkWatching } from "../prepare.js";
import { type RunData, readRunData } from "../runData.js";
import { heldOf } from "./cellSettings.js";
import type { KnownFacts } from "./facts.js";
import { designProblems } from "./reportedRows.js";
import type { Spec, SpecTask } from "./spec.js";
import type { Variant } from "./variants.js";

interface CheckOptions {
  readonly hub: HubOptions | undefined;
  /** Runs are listed, perhaps for another machine: what is not on this one is not missed. */
  readonly isListed: boolean;
}

/**
 * Looks at all tasks before the first run: for what their runs would fail for, and for what their results could not be told by.
 * @throws BidoraError `COMPARISON`, or UsageError where only the settings are at fault, naming each task with what is wrong with it
 */
export async function checkTasks(spec: Spec, facts: KnownFacts, options: CheckOptions): Promise<void> {
  const found: { readonly task: string; readonly problem: BidoraError }[] = [];
  for (const task of spec.tasks)
    for (const problem of await problemsOf(spec, task, facts, options)) found.push({ task: task.name, problem });
  if (found.length === 0) return;
  const told = [...group(found, ({ problem }) => problem.message)].map(
    ([what, alike]) => `${[...new Set(alike.map(({ task }) => task))].join(", ")}: ${what}`,
  );
  const message = `No run was started. ${told.join(" ")}`;
  throw found.every(({ problem }) => problem instanceof UsageError)
    ? new UsageError(message)
    : new BidoraError("COMPARISON", message);
}

async function problemsOf(
  spec: Spec,
  task: SpecTask,
  facts: KnownFacts,
  { hub, isListed }: CheckOptions,
): Promise<BidoraError[]> {
  const said = { ...spec.common, ...task.settings };
  const missing = missingFiles(said);
  const design = await caught(() => designProblems(spec, task));
  const runs = runsOf(spec, task);
  // What the Hub has is not fetched for a list.
  const isHere = missing.length === 0 && (!isListed || runs.every(({ config }) => existsSync(config.model)));
  const found = [...missing, ...design, ...(isHere ? await rowProblems(runs, facts, hub) : [])];
  return isListed ? found.filter(({ code }) => code !== MISSING) : found;
}

/** The code of errors about files that are not there. */
const MISSING = "FILE";

const FILES = ["data", "train", "validation", "test"] as const;

const missingFiles = (said: RunSettings): BidoraError[] =>
  FILES.flatMap((key) => {
    const path = said[key];
    if (path === undefined || existsSync(path)) return [];
    return new BidoraError(MISSING, `There is no ${path}, which ${flagOf(key)} names.`);
  });

/** A run as far as it is settled before its rows are counted. */
interface AskedRun {
  readonly variant: Variant;
  readonly config: RunConfig;
}

/** Every kind of run on a task: of all methods, with all that a grid tries. */
function runsOf(spec: Spec, task: SpecTask): AskedRun[] {
  const points = spec.grid.length > 0 ? spec.grid : [{}];
  return spec.variants.flatMap((variant) =>
    points.map((point) => ({ variant, config: resolveRun(heldOf(spec, task, variant, point)) })),
  );
}

/** Settings by which runs read other rows, or read them in another way. */
const READ_BY = [
  ...(["model", "revision", "task", "data", "train", "validation", "test", "testSplit"] as const),
  ...(["textColumns", "labelColumn", "maxLength"] as const),
];

/** Reads rows once for all runs that read the same. */
async function rowProblems(
  runs: readonly AskedRun[],
  facts: KnownFacts,
  hub: HubOptions | undefined,
): Promise<BidoraError[]> {
  const found = new Map<string, AskedRun[]>();
  for (const run of runs) {
    const key = JSON.stringify(READ_BY.map((name) => run.config[name] ?? null));
    found.set(key, [...(found.get(key) ?? []), run]);
  }
  const problems: BidoraError[] = [];
  for (const alike of found.values())
    problems.push(...(await caught(() => problemsOfAlike(alike as [AskedRun, ...AskedRun[]], facts, hub))));
  return problems;
}

async function problemsOfAlike(
  runs: readonly [AskedRun, ...AskedRun[]],
  facts: KnownFacts,
  hub: HubOptions | undefined,
): Promise<BidoraError[]> {
  const { trainLimit: _limit, holdoutFraction: _share, ...given } = runs[0].config.given;
  const data = await readRunData({ config: resolveRun(given), saved: undefined, adapterFolder: undefined }, hub);
  const { splits } = data;
  facts.learn(runs[0].config, splits.train.examples.length);
  designOf(architectureOf(readConfig(data.folder)), data.choice.task.head);
  const problems = [splits.train, splits.validation, splits.test].flatMap((rows) => labelProblem(data, rows));
  for (const { config, variant } of runs) {
    const watching = { ...config, ...(variant.stopsEarly && { evalEvery: 1 }) };
    const holdout = config.holdoutFraction === undefined ? undefined : splits.train;
    problems.push(
      ...(await caught(async () => {
        checkWatching(watching, { validation: splits.validation, holdout });
        await facts.rowsOf(config);
        return [];
      })),
    );
  }
  return problems;
}

/** The first row whose label is none that is learnt, or no label of the task at all. */
function labelProblem({ choice, labels }: RunData, rows: Dataset | undefined): BidoraError[] {
  try {
    for (const example of rows?.examples ?? []) choice.task.reference(example, labels);
    return [];
  } catch (error) {
    if (error instanceof BidoraError) return [error];
    throw error;
  }
}

/** What a look finds, or what ends it. */
async function caught(look: () => Promise<BidoraError[]>): Promise<BidoraError[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof BidoraError) return [error];
    throw error;
  }
}
