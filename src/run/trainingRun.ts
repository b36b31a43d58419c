import { join } from "node:path";
import { type SideFacts, savedTensors, whyNotPeft, writeAdapter, writeSideFile } from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import { renderRunYaml, settingsOf } from "../config/index.js";
import { writeModelFolder } from "../folders/modelFolder.js";
import { CARD, EVENTS, PROFILE, REPORT, RUN_FILE } from "../folders/runFiles.js";
import { copyFiles, prepareOutput, writeMetrics } from "../folders/runFolder.js";
import { writeFileAtomic } from "../io/atomic.js";
import { namingBadWeights } from "../train/badWeights.js";
import { type CheckpointOptions, checkpointer, saveCheckpoint } from "../train/checkpoints.js";
import { EarlyStopping } from "../train/earlyStopping.js";
import { evaluateRows } from "../train/evaluation.js";
import { evaluator, tellEvaluation } from "../train/evaluator.js";
import type { EvaluationEvent, Metrics, ParameterCounts, Phase, RunEvent } from "../train/events.js";
import { LastGood } from "../train/lastGood.js";
import { type ResumePoint, runLoop, stepsOfPhases, tell } from "../train/loop.js";
import { machineFacts, peakMemoryBytes, versions } from "../train/machine.js";
import type { RunHandle, RunObserver } from "../train/observer.js";
import { profiler } from "../train/profiler.js";
import { rescue, withNote } from "../train/rescue.js";
import { checkpointBytes, Reserve } from "../train/reserve.js";
import { type FoundCheckpoint, resumePoint } from "../train/resume.js";
import { runLogWriter } from "../train/runLogWriter.js";
import { checkFinite } from "../train/trained.js";
import { renderModelCard } from "./modelCard.js";
import { ownWeights, type Prepared } from "./prepare.js";
import type { ProvenanceSource } from "./provenanceSource.js";
import { plansOf } from "./runPlans.js";
import { searchSummary } from "./searchSummary.js";
import { writeReport } from "./writeReport.js";

export interface TrainingRunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told every event of the run. */
  readonly observers?: readonly ((event: RunEvent) => void)[] | undefined;
  /** Told what people should know and what does not stop the run. */
  readonly onNote?: ((line: string) => void) | undefined;
  /** The run begins with its first step; else it goes on from its newest checkpoint. */
  readonly isFresh: boolean;
  readonly from: FoundCheckpoint | undefined;
  readonly provenance: ProvenanceSource;
}

/** One run in its folder: the loop with its observers around it, and what is left at the end. */
export class TrainingRun {
  readonly #began = performance.now();
  readonly #observers: RunObserver[];
  readonly #earlyStopping: EarlyStopping | undefined;
  readonly #checkpoint: CheckpointOptions;
  readonly #signal: AbortSignal;
  readonly #from: ResumePoint | undefined;
  readonly #lastGood: LastGood;
  readonly #reserve: Reserve;
  #last: RunHandle | undefined;
  #evaluated: EvaluationEvent | undefined;
  /** The folder is this run's own: nothing is written into it before. */
  #isPrepared = false;
  #savedStep: number | undefined;

  constructor(
    readonly prepared: Prepared,
    readonly options: TrainingRunOptions,
  ) {
    const { config, adapted, start } = prepared;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#earlyStopping = this.#makeEarlyStopping();
    this.#checkpoint = {
      folder: config.output,
      keep: config.keepCheckpoints,
      trained: adapted.trained,
      generator: prepared.generator,
      earlyStopping: this.#earlyStopping,
      settings: settingsOf(config),
      provenance: () => options.provenance.find(),
      writeModel: (folder) => this.#writeModel(folder),
    };
    this.#from = options.from && resumePoint(options.from, this.#checkpoint);
    this.#reserve = new Reserve(config.output, checkpointBytes(adapted.trained, this.#earlyStopping !== undefined));
    this.#lastGood = new LastGood(adapted.trained, prepared.generator);
    this.#observers = [
      runLogWriter(join(config.output, EVENTS), { prepare: () => this.#prepareOutput(), from: this.#from?.step ?? 0 }),
      ...(options.observers ?? []).map((on) => ({ on })),
      { on: (event, run) => this.#remember(event, run) },
      options.provenance,
    ];
    if (config.profile) this.#observers.push(this.#makeProfiler());
    if (config.evalEvery !== undefined && prepared.data.validation) {
      this.#observers.push(
        evaluator({
          every: config.evalEvery,
          evaluate: () => this.#evaluate("validation"),
          trained: adapted.trained,
          start,
        }),
      );
    }
    if (this.#earlyStopping) this.#observers.push(this.#earlyStopping);
    if (config.saveEvery !== undefined)
      this.#observers.push(this.#whenPrepared(checkpointer(config.saveEvery, this.#checkpoint)));
    this.#observers.push(this.#lastGood);
  }

  #remember(event: RunEvent, run: RunHandle | undefined): void {
    if (run) this.#last = run;
    if (event.event === "evaluation") this.#evaluated = event;
    if (event.event === "checkpoint") this.#savedStep = event.step;
  }

  #whenPrepared({ on }: RunObserver): RunObserver {
    return { on: (event, run) => (this.#isPrepared ? on(event, run) : undefined) };
  }

  /** `run.yaml` is there from the first step, so that a run can be gone on with by it. */
  #prepareOutput(): void {
    const { config } = this.prepared;
    prepareOutput(config.output, config);
    writeFileAtomic(join(config.output, RUN_FILE), renderRunYaml(config));
    this.#isPrepared = true;
    this.#reserve.hold();
  }

  /**
   * Trains, evaluates, and leaves everything in the folder. An aborted run leaves a checkpoint and no metrics; so does one that
   * fails, and the error says where.
   */
  async go(): Promise<Metrics> {
    try {
      return await this.#trainUnlessAborted();
    } catch (error) {
      const note = this.#isPrepared ? await rescue(this.#lastGood, this.#checkpoint, this.#savedStep) : undefined;
      await this.#tellError(error).catch(() => {});
      throw withNote(error, note);
    } finally {
      this.options.provenance.end();
    }
  }

  async #trainUnlessAborted(): Promise<Metrics> {
    try {
      return await namingBadWeights(
        () => ownWeights(this.prepared),
        () => this.#train(),
      );
    } catch (error) {
      if (this.#signal.aborted && error === this.#signal.reason) return this.#leaveAborted();
      throw error;
    }
  }

  async #train(): Promise<Metrics> {
    const plans = plansOf(this.prepared);
    await this.#tellStart(stepsOfPhases(plans, this.#from));
    const ended = await runLoop({
      plans,
      observers: this.#observers,
      signal: this.#signal,
      from: this.#from,
    }).finally(() => this.#reserve.release());
    if (ended === "aborted") return this.#leaveAborted();
    return this.#finish();
  }

  #tellStart(steps: Partial<Record<Phase, number>>): Promise<void> {
    const { config } = this.prepared;
    return tell(this.#observers, {
      event: "start",
      versions: versions(),
      machine: machineFacts(),
      settings: settingsOf(config),
      parameters: this.#parameters(),
      steps,
    });
  }

  async #leaveAborted(): Promise<Metrics> {
    if (this.#last) await saveCheckpoint(this.#checkpoint, this.#last);
    return {};
  }

  async #finish(): Promise<Metrics> {
    const { config, tokenizer, folder, adapted } = this.prepared;
    checkFinite(adapted.trained, (this.#last ?? this.#from)?.step ?? 0);
    const metrics = await this.#finalMetrics();
    await this.#tellFinal(metrics);
    await this.#writeModel(config.output);
    copyFiles(tokenizer.files(), folder, config.output);
    writeFileAtomic(join(config.output, CARD), this.#card(metrics));
    const seconds = (performance.now() - this.#began) / 1000;
    await tell(this.#observers, { event: "done", metrics, seconds, peakMemoryBytes: peakMemoryBytes() });
    writeMetrics(config.output, metrics);
    await this.#writeReport();
    return metrics;
  }

  /** The results are there by now: a report that can't be made is no failure of the run. */
  async #writeReport(): Promise<void> {
    const { output } = this.prepared.config;
    try {
      await writeReport(join(output, REPORT), [output]);
    } catch (error) {
      this.options.onNote?.(`The report could not be written: ${(error as Error).message}`);
    }
  }

  async #finalMetrics(): Promise<Metrics> {
    const { data } = this.prepared;
    const validation =
      this.#atEnd?.metrics ?? (data.validation ? await this.#evaluate("validation", this.#signal) : {});
    if (!data.test) return validation;
    const test = await this.#evaluate("test", this.#signal);
    return {
      ...validation,
      ...Object.fromEntries(Object.entries(test).map(([name, value]) => [`test_${name}`, value])),
    };
  }

  /** The evaluation of the state that the run ended with, if there has been one. */
  get #atEnd(): EvaluationEvent | undefined {
    const isCurrent = this.#last !== undefined && this.#evaluated?.step === this.#last.step;
    return isCurrent && !this.#earlyStopping ? this.#evaluated : undefined;
  }

  async #tellFinal(metrics: Metrics): Promise<void> {
    const { adapted, data, start } = this.prepared;
    if (this.#atEnd && !data.test) return;
    const at = this.#last ?? this.#from;
    if (!at) return;
    const { phase, step } = at;
    const emit: RunHandle["emit"] = (event) => tell(this.#observers, event);
    await tellEvaluation(metrics, { trained: adapted.trained, start }, { emit, phase, step });
  }

  #evaluate(split: "validation" | "test", signal?: AbortSignal): Promise<Metrics> {
    const { config, choice, labels, positive, loaded, data } = this.prepared;
    const options = {
      task: choice.task,
      labels,
      batchSize: config.batchSize,
      metrics: choice.metrics,
      positive,
      signal,
    };
    return evaluateRows(loaded.model, data[split] ?? [], options);
  }

  #makeEarlyStopping(): EarlyStopping | undefined {
    const { config, choice, labels, adapted } = this.prepared;
    if (config.earlyStopping === undefined) return undefined;
    const { main, goal } = choice.task.scorer({ labels, metrics: choice.metrics });
    return new EarlyStopping({ patience: config.earlyStopping, metric: main, goal, trained: adapted.trained });
  }

  #makeProfiler(): RunObserver {
    const { config, loaded } = this.prepared;
    const [table, trace] = [PROFILE.table, PROFILE.trace].map((name) => join(config.output, name)) as [string, string];
    return profiler({ model: loaded.model, table, trace });
  }

  #parameters(): ParameterCounts {
    const { loaded, adapted } = this.prepared;
    const total = [...loaded.model.namedParameters()].reduce((sum, [, { shape }]) => sum + size(shape), 0);
    return { total, trained: adapted.trained.reduce((sum, { tensor }) => sum + tensor.numel, 0) };
  }

  async #writeModel(folder: string): Promise<void> {
    const { config, adapted, loaded, choice, labels } = this.prepared;
    if (adapted.config === undefined) {
      writeModelFolder(folder, {
        ...loaded,
        task: choice.task,
        labels,
        source: this.prepared.folder,
        dtype: "float32",
      });
      writeSideFile(folder, this.#use());
      return;
    }
    writeAdapter(folder, {
      config: adapted.config,
      tensors: savedTensors(adapted),
      taskType: choice.task.peftTaskType,
      baseModel: config.model,
      revision: config.revision,
      side: {
        ...this.#use(),
        ...((this.#last ?? this.#from) && { phase: (this.#last ?? this.#from)?.phase }),
        ...(config.method === "bidora" && { search: await searchSummary(config.output, config) }),
      },
    });
  }

  /** How the result is used. */
  #use(): SideFacts {
    const { config, choice, labels, maxLength } = this.prepared;
    return {
      method: config.method,
      task: choice.kind,
      labels: [...labels],
      maxLength,
      ...(config.textColumns && { textColumns: [...config.textColumns] }),
      ...(config.labelColumn && { labelColumns: [...config.labelColumn] }),
    };
  }

  #card(metrics: Metrics): string {
    const { config, adapted, labels, choice, data } = this.prepared;
    return renderModelCard({
      config,
      isForPeft: adapted.config !== undefined && whyNotPeft(adapted.config) === undefined,
      labels: choice.task.outputs ? [] : labels,
      rows: { train: data.train.length, validation: data.validation?.length },
      parameters: this.#parameters(),
      metrics,
      versions: versions(),
      machine: machineFacts(),
    });
  }

  async #tellError(error: unknown): Promise<void> {
    const { message } = error instanceof Error ? error : { message: String(error) };
    const code = error instanceof BidoraError ? error.code : "UNEXPECTED";
    const place = this.#last && { phase: this.#last.phase, step: this.#last.step };
    await tell(this.#observers, { event: "error", ...place, code, message });
  }
}

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
