import { join } from "node:path";
import { BidoraError, type CallContext, stopsByValidation } from "../../base/index.js";
import {
  EVENTS,
  type Findings,
  type Metrics,
  type Phase,
  PROFILE,
  prepareOutput,
  RUN_FILE,
  type RunEvent,
  TENSORBOARD,
  writeFileAtomic,
  writeMetrics,
  writeRowRecord,
} from "../../base/records/index.js";
import { namingBadWeights } from "../../models/index.js";
import { renderRunYaml, settingsOf } from "../../tasks/config/index.js";
import { memoryOf } from "../../torch/devices/index.js";
import { Ending } from "../../torch/distributed/index.js";
import {
  type CheckpointOptions,
  type CheckpointRequest,
  checkpointer,
  saveCheckpoint,
} from "../checkpoints/checkpoints.js";
import { checkpointBytes, DiskReserve, LatestState, rescue, withNote } from "../checkpoints/rescue.js";
import { type FoundCheckpoint, resumePoint } from "../checkpoints/resume.js";
import {
  checkEvaluated,
  type EarlyStopping,
  earlyStoppingOf,
  emitEvaluation,
  evaluator,
} from "../loop/earlyStopping.js";
import { NonFiniteBatches, notify, type ResumePoint, runLoop, stepsOfPhases } from "../loop/loop.js";
import { inOrder, type RunObserver, runLogWriter, type StagedObservers, type Untimed } from "../loop/observer.js";
import { profiler } from "../observers/profiler.js";
import { tensorboardWriter } from "../observers/tensorboard.js";
import { checkTrainedTensors } from "../steps/trainedTensors.js";
import { writeTokenizerAndCard, writeTrained } from "./artifacts.js";
import { PhaseLosses, RunProgress, SearchHistory } from "./history.js";
import { advisingOnMemory } from "./memoryNeed.js";
import { notLearnedNote, untrainedIn, untrainedNote } from "./outcome.js";
import { checkpointWeights, type Prepared, plansOf } from "./prepare.js";
import type { ProvenanceSource } from "./provenance.js";
import { RunEvaluation } from "./runEvaluation.js";
import { startEvent } from "./startEvent.js";

interface TrainingRunOptions extends CallContext {
  /** Requests for checkpoints during the run. */
  readonly checkpoints?: CheckpointRequest | undefined;
  /** Receive every event of the run. */
  readonly observers?: readonly ((event: RunEvent) => void)[] | undefined;
  /** The checkpoint to resume from; undefined for a new run. */
  readonly from: FoundCheckpoint | undefined;
  readonly provenance: ProvenanceSource;
  /** The names of the launches that the run's processes belong to. */
  readonly launches?: readonly string[] | undefined;
  /** Writes the report of the run in a folder. */
  readonly writeReport: (folder: string) => Promise<void>;
}

/** A training run in its folder: the loop, the results at its end, and the handling of failures and aborts. */
export class TrainingRun {
  readonly #began = performance.now();
  readonly #progress = new RunProgress();
  readonly #observers: readonly RunObserver[];
  readonly #earlyStopping: EarlyStopping | undefined;
  readonly #nonFinite: NonFiniteBatches;
  readonly #checkpoint: CheckpointOptions;
  readonly #ending: Ending;
  readonly #from: ResumePoint | undefined;
  readonly #latestState: LatestState;
  readonly #reserve: DiskReserve;
  readonly #evaluation: RunEvaluation;
  readonly #search: SearchHistory | undefined;
  readonly #losses = new PhaseLosses();
  /** Whether the folder has been prepared for this run; nothing is written into it before. */
  #isPrepared = false;

  constructor(
    readonly prepared: Prepared,
    readonly options: TrainingRunOptions,
  ) {
    const { config, adapted, trained, generator, ranks } = prepared;
    this.#ending = new Ending(ranks, options.signal ?? new AbortController().signal, options.checkpoints);
    this.#earlyStopping = earlyStoppingOf(config, prepared, trained);
    this.#nonFinite = new NonFiniteBatches(config.onNonfinite === "skip" ? config.maxSkipped : 0);
    this.#checkpoint = {
      folder: config.output,
      keep: config.keepCheckpoints,
      trained,
      generator,
      device: adapted.model.device,
      processes: ranks.size,
      earlyStopping: this.#earlyStopping,
      nonFinite: this.#nonFinite,
      settings: settingsOf(config),
      provenance: () => options.provenance.find(),
      writeModel: (folder) => this.#writeTrained(folder),
    };
    this.#from = options.from && resumePoint(options.from, this.#checkpoint);
    if (prepared.levels) this.#search = new SearchHistory(config, this.#from?.step ?? 0);
    this.#reserve = new DiskReserve(
      config.output,
      checkpointBytes(trained, adapted.hooks, this.#earlyStopping !== undefined),
    );
    this.#latestState = new LatestState(trained, generator);
    this.#evaluation = new RunEvaluation(prepared, options);
    this.#observers = inOrder(this.#staged());
  }

  /** All observers, by stage. */
  #staged(): StagedObservers {
    const { config, trained, start, data, loaded } = this.prepared;
    const { observers = [], checkpoints, provenance } = this.options;
    const [from, evaluated] = [this.#from?.step ?? 0, data.holdout ? "holdout" : "validation"] as const;
    const inFolder = (name: string) => join(config.output, name);
    const followers: RunObserver[] = [this.#progress, this.#losses, provenance];
    if (this.#search) followers.push(this.#search);
    if (this.#writes && config.log?.includes("tensorboard"))
      followers.push(
        tensorboardWriter({ folder: inFolder(TENSORBOARD), from, evaluated, isPrepared: () => this.#isPrepared }),
      );
    if (this.#writes && config.profile)
      followers.push(profiler({ model: loaded.model, table: inFolder(PROFILE.table), trace: inFolder(PROFILE.trace) }));
    const evaluate = () => this.#evaluation.rows(evaluated);
    const saver = checkpointer(config.saveEvery, checkpoints, this.#checkpoint);
    return {
      record: this.#writes ? [runLogWriter(inFolder(EVENTS), { prepare: () => this.#prepareFolder(), from })] : [],
      follow: [...observers.map((on) => ({ on })), ...followers],
      measure:
        config.evalEvery && data[evaluated] ? [evaluator({ every: config.evalEvery, evaluate, trained, start })] : [],
      judge: this.#earlyStopping ? [this.#earlyStopping] : [],
      save: [{ on: (event, run) => (this.#isPrepared ? saver.on(event, run) : undefined) }],
      keep: [this.#latestState],
    };
  }

  /** The current position; undefined before the first step. */
  get #at(): { readonly phase: Phase; readonly step: number; readonly phaseStep: number } | undefined {
    return this.#progress.last ?? this.#from;
  }

  #writeTrained(folder: string): void {
    writeTrained(folder, this.prepared, { phase: this.#at?.phase, search: this.#search?.summary() });
  }

  /** Writes `run.yaml` before the first step, so that the run can be resumed with it. */
  #prepareFolder(): void {
    const { config } = this.prepared;
    prepareOutput(config.output, config, this.options.launches);
    writeFileAtomic(join(config.output, RUN_FILE), renderRunYaml(config));
    this.#isPrepared = true;
    this.#reserve.hold();
  }

  /**
   * Trains, evaluates and writes the results. An aborted or failed run leaves a checkpoint and no metrics; the error of a failed one
   * names the checkpoint.
   * @returns undefined for an aborted run
   */
  async go(): Promise<Metrics | undefined> {
    try {
      return await this.#trainUnlessAborted();
    } catch (error) {
      throw await this.#fail(error);
    } finally {
      this.options.provenance.end();
    }
  }

  async #trainUnlessAborted(): Promise<Metrics | undefined> {
    try {
      return await advisingOnMemory(this.prepared, () =>
        namingBadWeights(
          () => checkpointWeights(this.prepared),
          () => this.#train(),
        ),
      );
    } catch (error) {
      if (this.#ending.signal.aborted && error === this.#ending.signal.reason) return this.#finishAborted();
      throw error;
    }
  }

  async #train(): Promise<Metrics | undefined> {
    const plans = plansOf(this.prepared);
    if (!this.#from) checkEvaluated(this.prepared.config, plans);
    await this.#emit(startEvent(this.prepared, stepsOfPhases(plans, this.#from)));
    await this.#evaluateStart(plans[0]?.phase);
    const ended = await runLoop({
      plans,
      observers: this.#observers,
      ending: this.#ending,
      from: this.#from,
      nonFinite: this.#nonFinite,
    }).finally(() => this.#reserve.release());
    return ended === "aborted" ? this.#finishAborted() : this.#finish();
  }

  /** One rank writes what all have made. */
  get #writes(): boolean {
    return this.prepared.ranks.rank === 0;
  }

  #emit(event: Untimed): Promise<void> {
    return notify(this.#observers, event);
  }

  /** With `evalOnStart`, the metrics of what the first step begins with. A resumed run has them in its log. */
  async #evaluateStart(phase: Phase | undefined): Promise<void> {
    if (phase === undefined || this.#from || !this.prepared.config.evalOnStart) return;
    const metrics = await this.#evaluation.start(this.#ending);
    await this.#emit({ event: "evaluation", phase, step: 0, metrics });
  }

  async #finishAborted(): Promise<undefined> {
    const { last, savedStep } = this.#progress;
    if (last && this.#writes && last.step !== savedStep) await saveCheckpoint(this.#checkpoint, last);
  }

  async #finish(): Promise<Metrics> {
    checkTrainedTensors(this.prepared.trained, this.#at?.step ?? 0);
    const metrics = await this.#finalMetrics();
    if (this.#writes) await this.#writeResults(metrics);
    return metrics;
  }

  async #writeResults(metrics: Metrics): Promise<void> {
    const { config, loaded } = this.prepared;
    // The training may end before an evaluation of a state that has moved.
    const hasBest = this.#earlyStopping?.snapshot !== undefined;
    const chosen = hasBest && stopsByValidation(config) ? ({ chosenBy: "validation" } as const) : {};
    this.#writeTrained(config.output);
    writeTokenizerAndCard(config.output, this.prepared, metrics, hasBest);
    await this.#evaluation.write(config.output);
    writeRowRecord(config.output, this.prepared.rowRecord);
    const seconds = (performance.now() - this.#began) / 1000;
    const peakMemoryBytes = memoryOf(loaded.model.device).peak();
    const skipped = this.#nonFinite.total;
    const passedOver = skipped > 0 && { skipped };
    const trained = untrainedIn(this.prepared);
    const findings = { ...this.#evaluation.findings(), ...trained };
    const majority = this.#evaluation.majority();
    const facts = { ...chosen, ...passedOver, ...trained, ...(Object.keys(majority).length > 0 && { majority }) };
    await this.#emit({ event: "done", metrics, ...facts, seconds, peakMemoryBytes });
    await this.#writeReport();
    // Last, because a run with metrics is finished: a run that is killed before is resumed.
    writeMetrics(config.output, metrics, findings);
    this.#noteOutcome(metrics, findings);
  }

  #noteOutcome(metrics: Metrics, { untrained }: Findings): void {
    const { prepared } = this;
    const note = untrained
      ? untrainedNote(prepared.config, { phase: this.#at?.phase, phaseStep: this.#at?.phaseStep ?? 0 })
      : notLearnedNote(prepared, metrics, this.#losses, (split) => this.#evaluation.predicted(split));
    if (note !== undefined) this.options.onNote?.(note);
  }

  /** The metrics of the final state; emitted unless they were already. */
  async #finalMetrics(): Promise<Metrics> {
    const { trained, data, start } = this.prepared;
    // Early stopping may have put back an earlier state.
    const watched = this.#earlyStopping ? undefined : this.#progress.evaluatedAtEnd?.metrics;
    const metrics = await this.#evaluation.final(this.#ending, watched);
    const isKnown = (name: string) => !data.holdout && watched !== undefined && name in watched;
    if (!this.#at || Object.keys(metrics).every(isKnown)) return metrics;
    const emit = (event: Untimed) => this.#emit(event);
    const { phase, step } = this.#at;
    await emitEvaluation(metrics, { trained, start }, { emit, phase, step });
    return metrics;
  }

  /** The results are written by now, so a failing report does not fail the run. */
  async #writeReport(): Promise<void> {
    try {
      await this.options.writeReport(this.prepared.config.output);
    } catch (error) {
      this.options.onNote?.(`The report could not be written: ${(error as Error).message}`);
    }
  }

  /** Saves the last good state and emits the error. @returns the error, with a note on what was saved */
  async #fail(error: unknown): Promise<Error> {
    const { savedStep, last } = this.#progress;
    if (error instanceof Error) this.prepared.ranks.announce(error); // before the state is saved, which takes a while
    const failed = { error, savedStep, from: this.#from };
    const hasFolder = this.#isPrepared || (this.#from !== undefined && this.#writes);
    const note = hasFolder ? await rescue(this.#latestState, this.#checkpoint, failed) : undefined;
    const { message } = error instanceof Error ? error : { message: String(error) };
    const code = error instanceof BidoraError ? error.code : "UNEXPECTED";
    const at = last && { phase: last.phase, step: last.step };
    await this.#emit({ event: "error", ...at, code, message }).catch(() => {});
    return withNote(error, note);
  }
}
