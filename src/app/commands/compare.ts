/** `bidora compare`: compares methods on tasks with several seeds. */
import {
  BidoraError,
  type CallContext,
  INTERRUPTED,
  makeFolder,
  own,
  ownCommand,
  shellLine,
  UsageError,
} from "../../base/index.js";
import {
  clearComparison,
  comparedRunsIn,
  curveRunsIn,
  holdOutput,
  isFinished,
  metricName,
  type RunId,
  readFrozenPlan,
  readMetrics,
  recordFailure,
  refuseOccupied,
  seedsText,
  writerOf,
} from "../../base/records/index.js";
import { filled, flagOf, type Given, pick, refuseWithoutEffect } from "../../base/settings/index.js";
import {
  type AskedRuns,
  askedRuns,
  type Cell,
  ComparisonProgress,
  type ComparisonResult,
  type ComparisonSettings,
  type ComparisonWatch,
  cellName,
  cellsOnceTried,
  checkComparisonFolder,
  checkStarted,
  checkTasks,
  collectRuns,
  commandOf,
  compareOptions,
  costsText,
  detectableIn,
  detectableText,
  divergedCells,
  type EndedRun,
  type ExpectedCosts,
  expectedCosts,
  factsIn,
  foundRuns,
  freezePlan,
  hasDiverged,
  type KnownFacts,
  keepPlan,
  launcherOf,
  missingRuns,
  openKeys,
  otherFinishedCells,
  pairsOf,
  readSpec,
  refuseForeignRuns,
  refuseMixed,
  requestedResults,
  runCells,
  runsFailed,
  runToStart,
  type Spec,
  saveFailure,
  savePlan,
  scoreText,
  scoringOf,
  triedCells,
  watchedMetric,
  writeComparison,
} from "../../studies/comparison/index.js";
import { runFile } from "../../tasks/config/index.js";
import { resolveDevice } from "../../torch/index.js";
import { type Context, call, defineRunCommand, HUB_HOOKS, type HubHooks, refuseAsRank, type Shown } from "./command.js";

const options = { ...runFile, ...compareOptions };

/** What `compare` takes: the flags of `bidora compare`, in camelCase, and `runFile`. */
export type CompareSettings = ComparisonSettings & Pick<Given<typeof options>, "runFile">;

/** The results of a comparison with its tables as text, the commands of its runs, or their expected costs. */
export type CompareOutcome =
  | ComparisonResult
  | { readonly kind: "listed"; readonly commands: readonly string[] }
  | { readonly kind: "expected"; readonly costs: ExpectedCosts; readonly text: string }
  | { readonly kind: "stopped" };

export const compareCommand = defineRunCommand({
  usage: "compare run.yaml [flags]",
  about:
    "Compares methods on tasks with several seeds, each run in a separate process: tables, significance tests, costs. Called again it continues with the runs that are missing. Takes the options of finetune, for all runs.",
  options,
  hooks: [...HUB_HOOKS, "onEvent", "onPartial"],
  leavesFiles: true,
  run: compareRuns,
  show(outcome): Shown {
    if (outcome.kind === "stopped") return { status: INTERRUPTED };
    if (outcome.kind === "listed") return { value: outcome.commands, text: outcome.commands.join("\n") };
    if (outcome.kind === "expected") return { value: outcome.costs, text: outcome.text };
    return { value: outcome.result, text: `${outcome.text}\nTables, tests and report: ${outcome.output}` };
  },
});

/**
 * Runs every method on every task with every seed, each run in a separate process, and summarizes the results. Runs that have
 * finished are kept, and others are continued.
 * @throws UsageError for wrong settings, BidoraError `COMPARISON` for runs that failed, after all others are done
 */
export const compare = (
  settings: CompareSettings,
  hooks: HubHooks<"onEvent" | "onPartial"> = {},
): Promise<CompareOutcome> => call("compare", compareCommand, settings, hooks);

async function compareRuns(given: Given<typeof options>, context: Context): Promise<CompareOutcome> {
  const settings = filled(options, given);
  const { list, collect, dryRun } = settings;
  refuseWithoutEffect(pick(options, "dashboard", "launcher", "pilot", "overwrite", "verbose"), settings);
  const modes = Object.entries({ list, collect, dryRun }).filter(([, isAsked]) => isAsked);
  if (modes.length > 1)
    throw new UsageError(`${modes.map(([key]) => flagOf(key)).join(" and ")} are mutually exclusive.`);
  const { runFile, ...flags } = given;
  const spec = readSpec(flags, runFile, collect ? foundRuns(settings.output) : undefined);
  const { overwrite } = settings;
  if (!list && !dryRun && !collect) launcherOf(spec.launcher);
  if (collect) {
    refuseForeignRuns(spec.output, [...comparedRunsIn(spec.output), ...curveRunsIn(spec.output)]);
    if (spec.freeze !== undefined) keepPlan(spec.output, readFrozenPlan(spec.freeze), spec.freeze);
    return gather(spec, context, { ...askedRuns(spec), ...spec.named });
  }
  if (!list && !dryRun) refuseAsRank("compare");
  return holdOutput(spec.output, async (output) => {
    checkComparisonFolder(output);
    if (overwrite) refuseOccupied(spec.output, overwrite, inputsOf(spec));
    makeFolder(output);
    const facts = factsIn(output);
    const pairs = pairsOf(spec);
    await checkTasks(spec, facts, { ...context, isListed: list });
    if (overwrite) clearComparison(output);
    const tried = await triedCells(spec, pairs, facts);
    const cells = () => cellsOnceTried(spec, pairs, facts, tried);
    if (dryRun || spec.freeze !== undefined) {
      const all = [...tried, ...(await cellsOnceTried(spec, pairs, facts, []))];
      await freezePlan(spec, all, facts, context);
      if (dryRun) return expected(all, spec, facts, context);
    }
    const beside = await otherFinishedCells(spec, comparedRunsIn(output), facts);
    await checkStarted(spec.output, beside, openKeys(spec));
    await savePlan(spec.output, tried);
    const diverged = await divergedCells(output, tried);
    const open = tried.filter((cell) => !diverged.has(cell));
    if (list) return listed(open.every(hasEnded) ? await planned(spec.output, cells) : open);
    return onPage(spec, context, async (context) => {
      const unfinished = await runAll(open, spec, context);
      if (unfinished === "stopped") return { kind: "stopped" };
      // a point that diverges is out; the others are compared
      const inTheWay = unfinished.filter(({ error }) => !hasDiverged(error ?? {}));
      if (inTheWay.length > 0) throw runsFailed(inTheWay, tried.length);
      return compareCells(await planned(spec.output, cells), spec, context);
    });
  });
}

/** The files and folders that the runs read. */
const inputsOf = ({ common, tasks }: Spec): string[] =>
  [common, ...tasks.map(({ settings }) => settings)].flatMap(({ model, adapter, data, train, validation, test }) =>
    [model, adapter, data, train, validation, test].filter((path) => path !== undefined),
  );

async function planned(output: string, find: () => Promise<Cell[]>): Promise<Cell[]> {
  const cells = await find();
  await savePlan(output, cells);
  return cells;
}

async function compareCells(cells: readonly Cell[], spec: Spec, context: WatchedContext): Promise<CompareOutcome> {
  const made = await collectRuns(spec.output);
  const waiting = made.length === 0 ? [] : cells.filter((cell) => !hasEnded(cell) && !cell.onCurve);
  refuseMixed([...made, ...waiting.map((cell) => runToStart(cell, spec.launcher))]);
  const ofCurve = cells.filter(({ onCurve }) => onCurve !== undefined);
  const diverged = await divergedCells(spec.output, ofCurve);
  const open = cells.filter((cell) => !diverged.has(cell));
  const ended = await runAll(open, spec, context);
  if (ended === "stopped") return { kind: "stopped" };
  // a run of the curve that diverges is a result of it
  const unfinished = ended.filter(({ cell, error }) => !(cell.onCurve && hasDiverged(error ?? {})));
  // finished runs are summarized even if others failed
  const outcome = unfinished.length < cells.length ? await gather(spec, context, askedRuns(spec)) : undefined;
  if (outcome && unfinished.length === 0) return outcome;
  if (outcome) context.onPartial?.(outcome);
  throw runsFailed(unfinished, cells.length);
}

type WatchedContext = Context & { readonly watch?: ComparisonWatch };

/** Makes the runs, with a live page about them for --dashboard. */
async function onPage<T>(spec: Spec, context: Context, body: (context: WatchedContext) => Promise<T>): Promise<T> {
  if (spec.dashboard === false) return body(context);
  const { watchComparison } = await import("../../studies/comparison/index.js");
  return watchComparison(spec, context, spec.dashboard, (signal, watch) => body({ ...context, signal, watch }));
}

async function expected(
  cells: readonly Cell[],
  spec: Spec,
  facts: KnownFacts,
  context: Context,
): Promise<CompareOutcome> {
  requireDevices(cells);
  const costs = await expectedCosts(cells, spec.jobs, context);
  const found = await detectableIn(spec, cells, facts);
  const detectable = Object.fromEntries(found.map(({ task, difference }) => [task, difference]));
  const text = `${costsText(costs)}\n${detectableText(found, spec)}`;
  return { kind: "expected", costs: { ...costs, detectable }, text };
}

const hasEnded = ({ folder }: Cell): boolean => isFinished(folder);

const listed = (cells: readonly Cell[]): CompareOutcome => ({
  kind: "listed",
  commands: cells.map((cell) => shellLine([...ownCommand, ...commandOf(cell)])),
});

/** Refuses a device that is not there, once and not in each run. @throws BidoraError `DEVICE` */
function requireDevices(cells: readonly Cell[]): void {
  for (const device of new Set(cells.map(({ settings }) => settings.device ?? "auto")))
    if (device !== "auto") resolveDevice(device);
}

/** @returns the runs that failed or were stopped */
async function runAll(
  cells: readonly Cell[],
  { jobs, launcher, output, tasks }: Spec,
  { watch, ...context }: WatchedContext,
): Promise<readonly EndedRun[] | "stopped"> {
  const waiting = cells.filter((cell) => !hasEnded(cell));
  if (launcher === "local") requireDevices(waiting);
  const { onNote: note = () => {} } = context;
  if (waiting.length < cells.length)
    note(`${cells.length - waiting.length} of ${cells.length} runs are there already.`);
  watch?.expect(cells.filter(hasEnded), "done");
  watch?.expect(waiting, "waiting");
  const progress = new ComparisonProgress(waiting, note);
  const signal = context.signal ?? new AbortController().signal;
  const ended = await runCells(waiting, jobs, {
    launcher,
    signal,
    onBegin: (cell, controls) => {
      const writer = writerOf(cell.folder);
      if (writer) note(`${cellName(cell)} is still being written by process ${writer.pid}: waiting for its end.`);
      recordFailure(output, cell.folder, undefined);
      watch?.begin(cell, controls);
    },
    onEvent: (cell, event) => {
      progress.event(cell, event);
      context.onEvent?.(event, runIdOf(cell));
      watch?.event(cell, event);
    },
    onEnd: (end) => {
      if (end.status === "failed") saveFailure(output, end);
      const score = scoreOf(end, tasks.find(({ name }) => name === end.cell.task)?.mainMetric);
      progress.end(end, score);
      watch?.end(end, score);
    },
  });
  if (signal.aborted) return "stopped";
  return ended.filter(({ status }) => status !== "done");
}

const runIdOf = ({ task, variant, seed, dataSeed }: Cell): RunId => ({
  ...{ task, method: variant.name, seed },
  ...(dataSeed !== undefined && { dataSeed }),
});

/** The score of a run on the rows it is compared by; of a tried point, on the rows it is chosen by. */
function scoreOf({ cell, status }: EndedRun, mainMetric: string | undefined): string | undefined {
  if (status !== "done") return undefined;
  const metrics = readMetrics(cell.folder);
  const name = cell.point
    ? metricName(watchedMetric(cell.folder, mainMetric).name, "holdout")
    : scoringOf([{ folder: cell.folder, metrics }], mainMetric).main.name;
  return scoreText(name, own(metrics, name));
}

async function gather(spec: Spec, { onNote }: CallContext, asked: AskedRuns): Promise<ComparisonResult> {
  const { output } = spec;
  const runs = await collectRuns(output);
  const missing = await missingRuns(output, asked);
  const [failed] = missing.failed;
  const why = failed ? `${failed.method} ${seedsText(failed)} on ${failed.task} failed: ${failed.reason}` : undefined;
  if (runs.length === 0)
    throw new BidoraError(
      "COMPARISON",
      `There is no finished run in ${output}: ${why ?? "TASK/METHOD/seed-N folders are expected."}`,
    );
  const { result, text } = await writeComparison(output, runs, missing, {
    ...requestedResults(spec),
    verbose: spec.verbose,
    onNote,
  });
  return { kind: "compared", result, text, output };
}
