import { followAdapter } from "./adapterStart.js";
import {
  type AdaptedModel,
  attachAdapter,
  doraConfig,
  type InjectedConfig,
  inject,
  loraConfig,
  readAdapter,
  type SavedAdapter,
  trainEverything,
} from "./adapters/index.js";
import type { RunConfig } from "./config.js";
import { UsageError } from "./errors.js";
import { readConfig } from "./io/checkpoint.js";
import type { HubOptions } from "./io/hub/snapshot.js";
import { resolveModel } from "./io/resolveModel.js";
import { computeDtype } from "./machine.js";
import { type Head, inferHead, type LoadedModel, loadModel } from "./models/index.js";
import { type EncodedSplits, encodeSplits, labelsOf, maxLengthOf, readSplits, type Task, taskOf } from "./taskData.js";
import { loadTokenizer, type Tokenizer } from "./text/index.js";
import { Generator, setThreads } from "./torch/index.js";
import { type Snapshot, takeSnapshot } from "./train/trained.js";

/** Everything that a run needs, loaded and checked. */
export interface Prepared {
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
 * Loads model, data and adapter in the order in which they depend on each other.
 * @param precision of everything, for checks; by default the computation has the run's dtype and what is trained float32
 */
export async function prepare(
  asked: RunConfig,
  hub?: HubOptions,
  precision?: "float32" | "float64",
): Promise<Prepared> {
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
  const compute = precision ?? computeDtype(config.dtype);
  const loaded = await loadModel(folder, { head, dtype: compute, generator, initWeights: config.initWeights });
  const maxLength = maxLengthOf(
    config.maxLength,
    "maxLength" in config.given,
    tokenizer,
    loaded.model.config.maxTokens,
  );
  const data = await encodeSplits(splits, tokenizer, { task: task.kind, labels, maxLength });
  const adapted = adapt(loaded, config, saved, generator, precision ?? "float32");
  noteHead(loaded, own, hub);
  return {
    config,
    folder,
    task,
    head,
    tokenizer,
    maxLength,
    data,
    loaded,
    adapted,
    start: takeSnapshot(adapted.trained),
    generator,
  };
}

function missingTask(): never {
  throw new UsageError(
    "--task is missing: sequence-classification, token-classification, regression, …, or a data set such as glue/mrpc.",
  );
}

function noteHead({ drawn }: LoadedModel, own: Head | undefined, hub: HubOptions | undefined): void {
  if (drawn.length === 0) return;
  const why = own ? "the checkpoint's does not fit the labels" : "the checkpoint has none";
  hub?.onNote?.(`Drew a new head (${drawn.join(", ")}) from the seed: ${why}.`);
}

/** Puts in what the method trains: a saved adapter, a fresh one, or every weight. */
function adapt(
  loaded: LoadedModel,
  config: RunConfig,
  saved: SavedAdapter | undefined,
  generator: Generator,
  dtype: "float32" | "float64",
): AdaptedModel {
  if (config.method === "full") return trainEverything(loaded.model, dtype);
  if (saved) {
    const { normGradient, dropout } = config;
    const own =
      saved.config.method === "dora" ? { ...saved.config, normGradient, dropout } : { ...saved.config, dropout };
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
