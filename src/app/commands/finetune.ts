/** `bidora finetune`: trains a model. */
import { join } from "node:path";
import { BidoraError, type CallContext, INTERRUPTED, stopsByValidation } from "../../base/index.js";
import {
  holdOutput,
  inspectOutput,
  isFinished,
  isRunFolder,
  isRunOf,
  type Metrics,
  newestCheckpoint,
  REPORT,
  type RunEvent,
  readMetrics,
} from "../../base/records/index.js";
import type { Given } from "../../base/settings/index.js";
import { type LivePart, writeReport } from "../../studies/report/index.js";
import { askedRun, runFile, runOptions } from "../../tasks/config/index.js";
import { launchName } from "../../torch/distributed/index.js";
import { asRank, joinRanks, placeOf, type Ranks, restartsOf } from "../../torch/index.js";
import { CheckpointRequest } from "../../training/index.js";
import {
  checkpointToResume,
  inputsOf,
  noteSettings,
  ProvenanceSource,
  prepare,
  type RunStart,
  refuseDifferences,
  startOf,
  TrainingRun,
} from "../../training/run/index.js";
import { type Context, call, checkedCall, defineRunCommand, formatMetrics, type Hooks } from "./command.js";
import { eventStream } from "./eventStream.js";

/** The result of a run. */
export interface FinetuneResult {
  /** Metrics on the validation rows, and on the test rows as `test_…`; empty for a stopped run. */
  readonly metrics: Metrics;
  /** The positive label of two, which precision, recall and F1 are of. */
  readonly positiveLabel?: string;
  /** The output folder, with the adapter and all other files. */
  readonly output: string;
  /** Whether the run was stopped before its last step and saved a checkpoint: call again with `resume` to continue it. */
  readonly isStopped: boolean;
}

const options = { ...runFile, ...runOptions };

/** What `finetune` takes: the flags of `bidora finetune`, in camelCase. */
export type FinetuneSettings = Given<typeof options>;

export const finetuneCommand = defineRunCommand({
  usage: "finetune [run.yaml] [flags]",
  about:
    "Fine-tunes a model. Settings can be in a YAML file under the flags' names in camelCase; flags take precedence.",
  options,
  hooks: ["signal", "onNote", "onDownload", "hub", "task", "observers", "checkpoints", "waits"],
  leavesFiles: true,
  check: async (given, context) => void (await startOf(askedRun(given), context)),
  run: finetuneRun,
  show({ metrics, positiveLabel, output, isStopped }) {
    const figures = Object.keys(metrics).length > 0 ? `${formatMetrics(metrics, { positiveLabel })}\n` : "";
    return isStopped
      ? { status: INTERRUPTED }
      : { value: metrics, text: `${figures}Saved in ${output}`, isEvent: true };
  },
});

/**
 * Fine-tunes a model and saves the result in the output folder.
 * @throws BidoraError with one sentence on what is wrong, UsageError for a setting without effect; nothing is written before all
 *   settings, the model and the data have been checked
 */
export const finetune = (
  settings: FinetuneSettings,
  hooks: Omit<Hooks, "onPartial" | "onEvent"> = {},
): Promise<FinetuneResult> => call("finetune", finetuneCommand, settings, hooks);

/**
 * The same run as a stream of its events, as in events.jsonl: `for await (const event of train(settings))`. The run waits while an event
 * is handled. Leaving the loop stops the run after its current step and saves a checkpoint, from which `resume` continues.
 * @returns the result of `finetune`, as the value of the last `next()`
 * @throws the errors of `finetune`; an error during training follows its `error` event
 */
export async function* train(
  settings: FinetuneSettings,
  hooks: Omit<Hooks, "onPartial" | "onEvent"> = {},
): AsyncGenerator<RunEvent, FinetuneResult, void> {
  const [given, context] = checkedCall("train", finetuneCommand, settings, hooks);
  return yield* eventStream<RunEvent, FinetuneResult>((emit, leaving) => {
    const { observers = [], signal } = context;
    const either = signal ? AbortSignal.any([signal, leaving]) : leaving;
    return finetuneRun(given, { ...context, observers: [...observers, emit], signal: either });
  });
}

/** Makes a run with checked settings. */
async function finetuneRun(given: FinetuneSettings, context: Context): Promise<FinetuneResult> {
  const begin = await startOf(askedRun(given), context);
  const ranks = await joinRanks(placeOf(process.env), begin.config.timeout, context.signal);
  return asRank(ranks, () => {
    // Rank 0 may come to be on another machine after a restart, and under another of torchrun's agents.
    const launches = [...new Set(ranks.gather(launchName()).filter((name) => name !== undefined))];
    return ranks.rank === 0
      ? trainInFolder(resumedByLauncher({ ...begin, launches }), context, ranks)
      : trainWithOthers(begin, context, ranks);
  });
}

/**
 * A launcher that starts a failed command again means it to continue, unless that failed before its run began in the folder. Of a launcher
 * that has no name it is not known whose run is there, which must not be removed then.
 */
function resumedByLauncher(begin: RunStart): RunStart {
  const { config, launches = [] } = begin;
  const isOwn = launches.length > 0 ? isRunOf(config.output, launches) : isRunFolder(config.output);
  if (restartsOf(process.env) === 0 || !isOwn) return begin;
  return { ...begin, config: { ...config, resume: true, overwrite: false } };
}

/** The whole run, or that of the rank that writes. */
async function trainInFolder(begin: RunStart, context: Context, ranks: Ranks): Promise<FinetuneResult> {
  const { waits = false, signal } = context;
  const work = () => trainWatched(begin, context, ranks);
  // another process may finish the run while this one waits
  const result =
    finished(begin, context) ??
    (await holdOutput(begin.config.output, async () => finished(begin, context) ?? work(), { waits, signal }));
  ranks.gather(FINISHED);
  return result;
}

/** The result of a run to resume, if it has already finished; otherwise undefined. */
function finished({ config: { output, resume } }: RunStart, { onNote }: CallContext): FinetuneResult | undefined {
  if (!resume || !isFinished(output)) return undefined;
  onNote?.(`The run in ${output} has ended already: nothing was done. It had the settings of its run.yaml.`);
  return { metrics: readMetrics(output), output, isStopped: false };
}

/** Trains, with a live page if requested, from which the run can be stopped or asked to save a checkpoint. */
async function trainWatched(begin: RunStart, context: Context, ranks: Ranks): Promise<FinetuneResult> {
  const { dashboard, output, resume } = begin.config;
  if (dashboard === false) return trainFrom(begin, context, ranks);
  const { Board, runPage, withDashboard } = await import("../../studies/dashboard/index.js");
  const board = new Board();
  board.add([ALONE], "waiting");
  const checkpoints = context.checkpoints ?? new CheckpointRequest();
  const observers = [...(context.observers ?? []), (event: RunEvent) => board.event(ALONE, event)];
  const isThere = () => resume || (board.run(ALONE)?.step ?? 0) > 0;
  const draw = (_: string | undefined, live: LivePart) => runPage(output, output, live, isThere());
  const watched = { board, draw, checkpoint: () => checkpoints.ask() };
  return withDashboard(watched, dashboard, context, async (signal) => {
    try {
      const result = await trainFrom(begin, { ...context, signal, observers, checkpoints }, ranks);
      board.ended(ALONE, signal.aborted ? "stopped" : "done");
      return result;
    } catch (error) {
      board.ended(ALONE, "failed", (error as Error).message);
      throw error;
    }
  });
}

/** The name of the only run of a page. */
const ALONE = "";

/** What rank 0 tells the others: that the run starts, from a checkpoint or not; or that it is finished. */
type Start = { readonly isFresh: boolean } | typeof FINISHED;
const FINISHED = "finished";

async function trainFrom(begin: RunStart, context: Context, ranks: Ranks): Promise<FinetuneResult> {
  const { config } = begin;
  const isFresh = inspectOutput(config.output, config, inputsOf(config)) === "fresh";
  if (isFresh && config.resume) context.onNote?.(`There is no whole checkpoint in ${config.output}: starting afresh.`);
  ranks.gather<Start>({ isFresh });
  return trainPrepared(begin, context, ranks, isFresh);
}

/** A rank that writes nothing. */
async function trainWithOthers(begin: RunStart, context: Context, ranks: Ranks): Promise<FinetuneResult> {
  const [start] = ranks.gather<Start | undefined>(undefined);
  if (start === undefined || start === FINISHED) return { metrics: {}, output: begin.config.output, isStopped: false };
  const result = await trainPrepared(begin, context, ranks, start.isFresh);
  ranks.gather(undefined); // until rank 0 has written the results
  return result;
}

async function trainPrepared(
  begin: RunStart,
  context: Context,
  ranks: Ranks,
  isFresh: boolean,
): Promise<FinetuneResult> {
  const { config } = begin;
  const prepared = await prepare({ ...begin, task: context.task }, context, undefined, ranks);
  noteSettings(prepared, context);
  if (stopsByValidation(config)) context.onNote?.(SELECTED);
  const provenance = new ProvenanceSource(prepared);
  if (!isFresh) checkSeen(config.output, ranks);
  const from = isFresh ? undefined : await checkpointToResume(prepared, provenance, context);
  await refuseDifferences(prepared, provenance, from);
  const { launches } = begin;
  const run = new TrainingRun(prepared, { ...context, from, provenance, launches, writeReport: reportInside });
  const metrics = await run.go();
  const { labels, positive } = prepared;
  const named = positive !== undefined && { positiveLabel: labels[positive]! };
  return { metrics: metrics ?? {}, ...named, output: config.output, isStopped: metrics === undefined };
}

const reportInside = (folder: string): Promise<void> => writeReport(join(folder, REPORT), [folder]);

/** @throws BidoraError `CHECKPOINT_UNSEEN` if this rank does not see the checkpoint that rank 0 resumes from */
function checkSeen(output: string, { rank }: Ranks): void {
  if (newestCheckpoint(output) !== undefined) return;
  throw new BidoraError(
    "CHECKPOINT_UNSEEN",
    `Rank ${rank} sees no checkpoint in ${output}: all ranks need rank 0's folder to resume from.`,
  );
}

const SELECTED =
  "--early-stopping keeps the state that is best on the validation rows, so that their score is too good an estimate for new rows: --test rows give one, and with --holdout-fraction the validation rows do.";
