import { join } from "node:path";
import {
  type AdaptedModel,
  attachAdapter,
  doraConfig,
  inject,
  type InjectedConfig,
  loraConfig,
  readAdapter,
  type SavedAdapter,
  trainEverything,
  writeAdapter,
} from "./adapters/index.js";
import { followAdapter } from "./adapterStart.js";
import { type RunConfig, renderRunYaml } from "./config.js";
import type { LabelMap } from "./data/index.js";
import { BidoraError, UsageError } from "./errors.js";
import { writeFileAtomic } from "./io/atomic.js";
import { readConfig } from "./io/checkpoint.js";
import type { HubOptions } from "./io/hub/snapshot.js";
import { resolveModel } from "./io/resolveModel.js";
import { computeDtype, machineFacts, peakMemoryBytes, versions } from "./machine.js";
import { type Head, inferHead, type LoadedModel, loadModel } from "./models/index.js";
import { renderModelCard } from "./modelCard.js";
import { writeModelFolder } from "./modelFolder.js";
import { copyFiles, EVENTS, inspectOutput, prepareOutput, readMetrics, writeMetrics, writeReport } from "./runFolder.js";
import { type EncodedSplits, encodeSplits, labelsOf, maxLengthOf, readSplits, type Task, taskOf } from "./taskData.js";
import { loadTokenizer, type Tokenizer } from "./text/index.js";
import { Generator, setThreads } from "./torch/index.js";
import { type CheckpointOptions, checkpointer, newestCheckpoint, openResumePoint, saveCheckpoint } from "./train/checkpoints.js";
import { EarlyStopping } from "./train/earlyStopping.js";
import { evaluateRows } from "./train/evaluation.js";
import { evaluator, tellEvaluation } from "./train/evaluator.js";
import type { JsonValue, Metrics, ParameterCounts, Phase, RunEvent } from "./train/events.js";
import { runLoop, tell } from "./train/loop.js";
import { ReplayableMasks } from "./train/masks.js";
import { metricsFor } from "./train/metricsFor.js";
import type { RunHandle, RunObserver } from "./train/observer.js";
import { planPhases } from "./train/plans.js";
import { runLogWriter } from "./train/runLogWriter.js";
import { type Snapshot, takeSnapshot } from "./train/trained.js";

export interface FinetuneOptions {
  readonly signal?: AbortSignal;
  /** Told every event of the run. */
  readonly observers?: readonly ((event: RunEvent) => void)[];
  /** Notes for people, and the progress of downloads. */
  readonly hub?: HubOptions;
}

export interface FinetuneResult {
  readonly metrics: Metrics;
  /** The folder with the adapter and everything else. */
  readonly output: string;
}

/** Everything that a run needs, loaded and checked. */
interface Prepared {
  readonly config: RunConfig;
  readonly folder: string;
  readonly task: Task;
  readonly head: Head;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly data: EncodedSplits;
  readonly loaded: LoadedModel;
  readonly adapted: AdaptedModel;
  readonly start: Snapshot;
  readonly generator: Generator;
}

/**
 * Fine-tunes a model as the settings say, and leaves the result in `config.output`.
 * @throws BidoraError with one sentence for what is wrong; nothing is written before everything is found good
 */
export async function finetune(config: RunConfig, options: FinetuneOptions = {}): Promise<FinetuneResult> {
  const state = inspectOutput(config.output, config);
  if (state === "finished") {
    options.hub?.onNote?.(`The run in ${config.output} has ended already.`);
    return { metrics: readMetrics(config.output), output: config.output };
  }
  const prepared = await prepare(config, options);
  return new Run(prepared, options, state === "fresh").go();
}

/** Loads model, data and adapter in the order in which they depend on each other. */
export async function prepare(asked: RunConfig, { hub }: Pick<FinetuneOptions, "hub"> = {}, dtype?: "float32" | "float64"): Promise<Prepared> {
  if (asked.threads !== undefined) setThreads(asked.threads);
  const saved = asked.adapter === undefined ? undefined : await readAdapter(await resolveModel(asked.adapter, hub));
  const config = saved ? followAdapter(asked, saved) : asked;
  const revision = config.revision === undefined ? {} : { revision: config.revision };
  const folder = await resolveModel(config.model, { ...hub, ...revision });
  const own = inferHead(readConfig(folder));
  const task = taskOf(config.task ?? saved?.side?.task ?? own?.kind ?? missingTask());
  const splits = await readSplits(task, config);
  const tokenizer = await loadTokenizer(folder);
  const labels = labelsOf(task.kind, splits, saved?.side?.labels ?? own?.labels);
  const head: Head = { kind: task.kind, labels: labels?.names ?? ["value"] };
  const generator = new Generator(config.seed);
  const compute = dtype ?? computeDtype(config.dtype);
  const loaded = await loadModel(folder, { head, dtype: compute, generator, initWeights: config.initWeights });
  const maxLength = maxLengthOf(config.maxLength, "maxLength" in config.given, tokenizer, loaded.model.config.maxTokens);
  const data = await encode(splits, tokenizer, task, labels, maxLength);
  const adapted = adapt(loaded, config, saved, generator, dtype ?? "float32");
  noteHead(loaded, own, hub);
  return { config, folder, task, head, tokenizer, maxLength, data, loaded, adapted, start: takeSnapshot(adapted.trained), generator };
}

function encode(
  splits: Parameters<typeof encodeSplits>[0],
  tokenizer: Tokenizer,
  task: Task,
  labels: LabelMap | undefined,
  maxLength: number,
): Promise<EncodedSplits> {
  return encodeSplits(splits, tokenizer, { task: task.kind, labels, maxLength });
}

function missingTask(): never {
  throw new UsageError("--task is missing: sequence-classification, token-classification, regression, …, or a data set such as glue/mrpc.");
}

function noteHead({ drawn }: LoadedModel, own: Head | undefined, hub: HubOptions | undefined): void {
  if (drawn.length === 0) return;
  const why = own ? "the checkpoint's does not fit the labels" : "the checkpoint has none";
  hub?.onNote?.(`Drew a new head (${drawn.join(", ")}) from the seed: ${why}.`);
}

/** Puts in what the method trains: a saved adapter, a fresh one, or every weight. */
function adapt(loaded: LoadedModel, config: RunConfig, saved: SavedAdapter | undefined, generator: Generator, dtype: "float32" | "float64"): AdaptedModel {
  if (config.method === "full") return trainEverything(loaded.model, dtype);
  if (saved) {
    const { normGradient, dropout } = config;
    const own = saved.config.method === "dora" ? { ...saved.config, normGradient, dropout } : { ...saved.config, dropout };
    return attachAdapter(loaded.model, { ...saved, config: own }, { generator, dtype });
  }
  return inject(loaded.model, adapterConfig(loaded, config), { generator, dtype });
}

function adapterConfig(loaded: LoadedModel, config: RunConfig): InjectedConfig {
  const shared = {
    rank: config.rank,
    alpha: config.alpha,
    rslora: config.rslora,
    dropout: config.dropout,
    targetModules: config.targetModules ?? loaded.architecture.defaultTargetModules,
    rankPattern: config.rankPattern ?? {},
    alphaPattern: config.alphaPattern ?? {},
    modulesToSave: loaded.trainedModules,
  };
  if (config.method === "lora") return loraConfig(shared);
  return doraConfig({ ...shared, axis: config.magnitudeAxis, normGradient: config.normGradient });
}

/** One run in its folder: the loop with its observers around it, and what is left at the end. */
class Run {
  readonly #began = performance.now();
  readonly #observers: RunObserver[];
  readonly #earlyStopping: EarlyStopping | undefined;
  readonly #checkpoint: CheckpointOptions;
  readonly #signal: AbortSignal;
  #last: RunHandle | undefined;

  constructor(
    readonly prepared: Prepared,
    options: FinetuneOptions,
    readonly isFresh: boolean,
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
      writeModel: (folder) => this.#writeModel(folder),
    };
    this.#observers = [
      runLogWriter(join(config.output, EVENTS), () => prepareOutput(config.output, isFresh)),
      ...(options.observers ?? []).map((on) => ({ on })),
      { on: (_event, run) => void (this.#last = run ?? this.#last) },
    ];
    if (config.evalEvery !== undefined && prepared.data.validation) {
      this.#observers.push(evaluator({ every: config.evalEvery, evaluate: () => this.#evaluate("validation"), trained: adapted.trained, start }));
    }
    if (this.#earlyStopping) this.#observers.push(this.#earlyStopping);
    if (config.saveEvery !== undefined) this.#observers.push(checkpointer(config.saveEvery, this.#checkpoint));
  }

  async go(): Promise<FinetuneResult> {
    try {
      return await this.#train();
    } catch (error) {
      await this.#tellError(error);
      throw error;
    }
  }

  async #train(): Promise<FinetuneResult> {
    const { config, adapted, data, task, loaded, generator, start } = this.prepared;
    const setup = { model: loaded.model, adapted, rows: data.train, task: task.kind, masks: new ReplayableMasks(generator), start };
    const plans = planPhases(setup, config);
    const newest = this.isFresh ? undefined : newestCheckpoint(config.output);
    await this.#tellStart(Object.fromEntries(plans.map(({ phase, steps }) => [phase, steps])));
    const ended = await runLoop({
      plans,
      observers: this.#observers,
      signal: this.#signal,
      from: newest === undefined ? undefined : openResumePoint(newest, this.#checkpoint),
    });
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

  async #leaveAborted(): Promise<FinetuneResult> {
    if (this.#last) await saveCheckpoint(this.#checkpoint, this.#last);
    return { metrics: {}, output: this.prepared.config.output };
  }

  async #finish(): Promise<FinetuneResult> {
    const { config, tokenizer, folder, adapted, start } = this.prepared;
    const metrics = await this.#finalMetrics();
    if (this.#last) await tellEvaluation(metrics, { trained: adapted.trained, start }, this.#last);
    await this.#writeModel(config.output);
    copyFiles(tokenizer.files(), folder, config.output);
    writeFileAtomic(join(config.output, "run.yaml"), renderRunYaml(config));
    writeFileAtomic(join(config.output, "README.md"), this.#card(metrics));
    const seconds = (performance.now() - this.#began) / 1000;
    await tell(this.#observers, { event: "done", metrics, seconds, peakMemoryBytes: peakMemoryBytes() });
    await writeReport(config.output);
    writeMetrics(config.output, metrics);
    return { metrics, output: config.output };
  }

  async #finalMetrics(): Promise<Metrics> {
    const validation = this.prepared.data.validation ? await this.#evaluate("validation") : {};
    if (!this.prepared.data.test) return validation;
    const test = await this.#evaluate("test");
    return { ...validation, ...Object.fromEntries(Object.entries(test).map(([name, value]) => [`test_${name}`, value])) };
  }

  #evaluate(split: "validation" | "test"): Promise<Metrics> {
    const { config, task, head, loaded, data } = this.prepared;
    const options = { task: task.kind, labels: head.labels, batchSize: config.batchSize, metrics: task.metrics };
    return evaluateRows(loaded.model, data[split] ?? [], options);
  }

  #makeEarlyStopping(): EarlyStopping | undefined {
    const { config, task, head, adapted, data } = this.prepared;
    if (config.earlyStopping === undefined) return undefined;
    if (config.evalEvery === undefined || !data.validation) {
      throw new UsageError("--early-stopping needs --eval-every and validation rows to judge by.");
    }
    const { main, goal } = metricsFor(task.kind, { labels: head.labels, metrics: task.metrics });
    return new EarlyStopping({ patience: config.earlyStopping, metric: main, goal, trained: adapted.trained });
  }

  #parameters(): ParameterCounts {
    const { loaded, adapted } = this.prepared;
    const trained = adapted.trained.reduce((sum, { tensor }) => sum + tensor.numel, 0);
    const own = [...loaded.model.namedParameters()].reduce((sum, [, parameter]) => sum + size(parameter.shape), 0);
    const inside = new Set([...loaded.model.namedParameters()].map(([, parameter]) => parameter));
    const added = adapted.trained.filter(({ parameter }) => !inside.has(parameter)).reduce((sum, { tensor }) => sum + tensor.numel, 0);
    return { total: own + added, trained };
  }

  async #writeModel(folder: string): Promise<void> {
    const { config, adapted, loaded, task, head } = this.prepared;
    if (adapted.config.method === "full") {
      writeModelFolder(folder, { ...loaded, head, source: this.prepared.folder, dtype: "float32" });
      return;
    }
    const tensors = new Map(adapted.trained.map(({ name, tensor }) => [name, tensor]));
    writeAdapter(folder, {
      config: adapted.config,
      tensors,
      taskType: task.kind === "token-classification" ? "TOKEN_CLS" : "SEQ_CLS",
      baseModel: config.model,
      revision: config.revision,
      side: {
        method: config.method as "lora" | "dora" | "bidora",
        task: task.kind,
        labels: [...head.labels],
        maxLength: this.prepared.maxLength,
        ...(config.textColumns && { textColumns: [...config.textColumns] }),
        ...(this.#last && { phase: this.#last.phase }),
        ...(adapted.config.method === "dora" && { axis: adapted.config.axis, normGradient: adapted.config.normGradient }),
      },
    });
  }

  #card(metrics: Metrics): string {
    const { config, head, task, data } = this.prepared;
    return renderModelCard({
      config,
      labels: task.kind === "regression" ? [] : head.labels,
      rows: { train: data.train.length, validation: data.validation?.length },
      parameters: this.#parameters(),
      metrics,
      versions: versions(),
      machine: machineFacts(),
    });
  }

  /** The last good state is kept: a loss that is not finite is found out before the step changes anything. */
  async #tellError(error: unknown): Promise<void> {
    const last = this.#last;
    if (!last) return;
    if (error instanceof BidoraError && error.code === "LOSS_NOT_FINITE") await saveCheckpoint(this.#checkpoint, last).catch(() => {});
    const { code, message } = error instanceof BidoraError ? error : { code: "UNEXPECTED", message: String(error) };
    await tell(this.#observers, { event: "error", phase: last.phase, step: last.step, code, message });
  }
}

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** The settings that make a run what it is, for its log and its checkpoints. */
function settingsOf(config: RunConfig): { readonly [key: string]: JsonValue } {
  const { given: _given, output: _output, resume: _resume, overwrite: _overwrite, json: _json, quiet: _quiet, debug: _debug, threads: _threads, ...rest } = config;
  return JSON.parse(JSON.stringify(rest)) as { readonly [key: string]: JsonValue };
}
