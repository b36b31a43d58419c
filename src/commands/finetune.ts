import {
  aFunction,
  aSwitch,
  type Check,
  checkArguments,
  having,
  listOf,
  optional,
  options as optionsOf,
  signal,
} from "../common/arguments.js";
import { stopsByValidation } from "../common/run.js";
import { aRunConfig, type RunConfig, refuseWithoutEffect, runOptions } from "../config/index.js";
import type { RunEvent } from "../files/events.js";
import type { Metrics } from "../files/metrics.js";
import { readMetrics } from "../files/metrics.js";
import { holdOutput } from "../files/outputFolder.js";
import { inspectOutput, isFinished } from "../files/runFolder.js";
import { hubOptions } from "../io/hub/options.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { inputsOf, type RunStart, startOf } from "../run/adapterStart.js";
import { noteSettings, prepare } from "../run/prepare.js";
import { ProvenanceSource } from "../run/provenanceSource.js";
import { checkpointToResume } from "../run/resumeRun.js";
import { TrainingRun } from "../run/trainingRun.js";
import { watchedRun } from "../run/watchedRun.js";
import { aNamedTask, type NamedTask } from "../tasks/index.js";
import type { CheckpointRequest } from "../train/checkpointRequest.js";

/** What a call can say beside the settings. */
export interface FinetuneOptions {
  /** Ends the run in good order, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Waits while another process of this machine writes the run's folder, and goes on with what it leaves, in the place of an error. */
  readonly waits?: boolean;
  /** A task of one's own, in the place of one that the settings name. Its word stands in what the run leaves. */
  readonly task?: NamedTask;
  /** Asks the run for checkpoints, beside those that its settings have it save. */
  readonly checkpoints?: CheckpointRequest;
  /** Told every event of the run. */
  readonly observers?: readonly ((event: RunEvent) => void)[];
  /** Notes for people, and the progress of downloads. */
  readonly hub?: HubOptions;
}

/** What a run came to. */
export interface FinetuneResult {
  /** On the validation rows, and on the test rows as `test_…`; empty for an aborted run. */
  readonly metrics: Metrics;
  /** The folder with the adapter and everything else. */
  readonly output: string;
  /** It was ended before its last step, with a checkpoint: the same settings with `resume` go on with it. */
  readonly isStopped: boolean;
}

const OPTIONS = optionsOf({
  signal,
  waits: optional(aSwitch),
  task: optional(aNamedTask),
  checkpoints: optional(having("a CheckpointRequest", "ask")),
  observers: optional(listOf("a list of functions", aFunction)),
  hub: optional(hubOptions),
} satisfies Record<keyof FinetuneOptions, Check>);

/**
 * Fine-tunes a model as the settings say, and leaves the result in the output folder: the settings' own, or the default, which
 * follows the method.
 * @throws BidoraError with one sentence for what is wrong, UsageError for a setting without effect; nothing is written before
 *   everything is found good
 */
export async function finetune(asked: RunConfig, options: FinetuneOptions = {}): Promise<FinetuneResult> {
  checkArguments("finetune", ["config", asked, aRunConfig], ["options", options, OPTIONS]);
  const begin = await startOf(asked, options.hub);
  refuseWithoutEffect(runOptions, asked.given, begin.config);
  const { waits = false, signal } = options;
  const work = () => watchedRun(begin.config, options, (watched) => train(begin, watched));
  // Another process may have ended the run while it was waited for.
  return (
    ended(begin, options) ??
    holdOutput(begin.config.output, async () => ended(begin, options) ?? work(), { waits, signal })
  );
}

/** What a run that is to be gone on with and has ended already came to; undefined for any other. */
function ended({ config: { output, resume } }: RunStart, { hub }: FinetuneOptions): FinetuneResult | undefined {
  if (!resume || !isFinished(output)) return undefined;
  hub?.onNote?.(`The run in ${output} has ended already: nothing was done. It had the settings of its run.yaml.`);
  return { metrics: readMetrics(output), output, isStopped: false };
}

async function train(begin: RunStart, options: FinetuneOptions): Promise<FinetuneResult> {
  const { config } = begin;
  const isFresh = inspectOutput(config.output, config, inputsOf(config)) === "fresh";
  if (isFresh && config.resume)
    options.hub?.onNote?.(`There is no whole checkpoint in ${config.output}: starting afresh.`);
  const prepared = await prepare({ ...begin, task: options.task }, options.hub);
  noteSettings(prepared, options.hub);
  if (stopsByValidation(config)) options.hub?.onNote?.(SELECTED);
  const provenance = new ProvenanceSource(prepared);
  const from = isFresh ? undefined : await checkpointToResume(prepared, provenance, options.hub?.onNote);
  const run = new TrainingRun(prepared, { ...options, onNote: options.hub?.onNote, from, provenance });
  return { metrics: await run.go(), output: config.output, isStopped: options.signal?.aborted === true };
}

const SELECTED =
  "--early-stopping keeps the state that is best on the validation rows, so that their score is too good an estimate for new rows: --test rows give one, and with --holdout-fraction the validation rows do.";
