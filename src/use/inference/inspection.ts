/** Inspects the folder of a model or an adapter, and finds why other commands would refuse it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, given } from "../../base/index.js";
import type { JsonObject } from "../../base/records/index.js";
import {
  type EmbeddingFormat,
  isSentenceTransformer,
  misshapen,
  openWeights,
  type Pooling,
  readConfig,
  readCrossEncoderFormat,
  readEmbeddingFormat,
  resolveModel,
  type Weights,
} from "../../formats/index.js";
import { isInteger, openSafetensors, type TensorInfo, torchDtype } from "../../formats/safetensors/index.js";
import {
  ADAPTER_WEIGHT_FILES,
  type AdapterPlacement,
  adaptedPaths,
  isAdapterFolder,
  type LayerFacts,
  type MagnitudeAxis,
  methodOf,
  readAdapter,
  type SavedAdapter,
  settingsOfAdapter,
  whyNotPeft,
} from "../../models/adapters/index.js";
import { architectureOf, checkLayers, checkpointNames, findDesign, type MatrixFormats } from "../../models/index.js";
import type { Parameter } from "../../models/nn/index.js";
import { inferTask, TASK_ENTRIES, type TaskKind, type TrainedHead } from "../../tasks/index.js";
import { numelOf, sameShape } from "../../torch/index.js";
import { isReranker } from "./open.js";

/** A tensor's description in its file's header. */
export type TensorFacts = Pick<TensorInfo, "name" | "dtype" | "shape" | "storedAs">;

/** Facts about any folder with weights. */
export interface Contents {
  readonly path: string;
  /** The number of elements of all tensors, in total and by dtype. */
  readonly parameters: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly tensors: readonly TensorFacts[];
  /** Reasons why other commands would refuse it, one sentence each. */
  readonly refusals: readonly string[];
}

/** Facts about a model's folder. */
export interface ModelInspection extends Contents {
  readonly kind: "model";
  readonly modelType: string | null;
  readonly architectures: readonly string[];
  readonly head: TrainedHead | null;
  /** How it makes embeddings, if it is a model of sentence-transformers. */
  readonly embedding: EmbeddingFormat | null;
  readonly defaultTargetModules: readonly string[];
  /** How many different tokens it knows, and how many of them a text can have; null if unknown or without a limit. */
  readonly vocabSize: number | null;
  readonly maxTokens: number | null;
  /** The tasks that it can be trained for: its family has their head. */
  readonly tasks: readonly TaskKind[];
}

/** Facts about an adapter's folder. */
export interface AdapterInspection extends Contents {
  readonly kind: "adapter";
  /** Null if its configuration is refused. */
  readonly settings: AdapterSettings | null;
}

/** An adapter's settings, from its files. */
export interface AdapterSettings {
  readonly method: string;
  readonly axis: MagnitudeAxis | null;
  readonly task: string | null;
  readonly labels: readonly string[] | null;
  readonly baseModel: string | null;
  /** The format in which the run packed the base. */
  readonly baseDtype?: string;
  /** How many of the base's matrices the run held in each format. */
  readonly baseFormats?: MatrixFormats;
  /** How the low-rank updates started, if not at zero. */
  readonly initLoraWeights?: string;
  /** Of embeddings: how token states become one, and the most tokens of a text. */
  readonly pooling?: Pooling;
  readonly maxLength?: number;
  readonly rank?: number;
  readonly alpha?: number;
  readonly rslora?: boolean;
  readonly dropout?: number;
  /** Of bottleneck adapters: width and placement. */
  readonly adapterSize?: number;
  readonly adapterPlacement?: AdapterPlacement;
  readonly bias: string;
  readonly targetModules?: readonly string[] | string;
  readonly modulesToSave: readonly string[];
  readonly modules: readonly ({ readonly path: string } & LayerFacts)[];
  /** Why PEFT does not load it, or computes something else. */
  readonly notInPeft?: string;
}

/** Facts about a folder. */
export type Inspection = ModelInspection | AdapterInspection;

/**
 * Inspects the folder of a model or an adapter. Of a model, reads only headers and configurations.
 * @param path a folder or a Hub repository
 * @throws BidoraError `CHECKPOINT` for a folder that is neither
 */
export async function inspectFolder(path: string): Promise<Inspection> {
  const folder = await resolveModel(path);
  return isAdapterFolder(folder) ? inspectAdapter(folder) : inspectModel(folder);
}

async function inspectAdapter(folder: string): Promise<AdapterInspection> {
  const refusals: string[] = [];
  const settings = await attempt(refusals, () => adapterSettings(folder));
  const file = ADAPTER_WEIGHT_FILES.map((name) => join(folder, name)).find(existsSync);
  const tensors = file === undefined ? [] : await attempt(refusals, () => headersOf(openSafetensors(file)));
  return { kind: "adapter", path: folder, settings: settings ?? null, ...sizes(tensors ?? []), refusals };
}

async function adapterSettings(folder: string): Promise<AdapterSettings> {
  const adapter = await readAdapter(folder);
  const { config, tensors, metadata, taskType, baseModel } = adapter;
  const method = methodOf(config);
  const { magnitudeAxis, targetModules, ...own } = settingsOfAdapter(config);
  const { rank, alpha, rslora, dropout, adapterSize, adapterPlacement } = own;
  const { baseDtype, baseFormats, pooling, maxLength } = metadata ?? {};
  const named = own.initLoraWeights === "default" ? undefined : own.initLoraWeights;
  const initLoraWeights = metadata?.initLoraWeights ?? named;
  const paths = adaptedPaths(tensors.keys(), method.codec);
  for (const tensor of tensors.values()) tensor.dispose();
  return {
    method: metadata?.method ?? config.method,
    axis: magnitudeAxis ?? null,
    task: metadata?.task ?? taskType ?? null,
    labels: metadata?.labels ?? null,
    baseModel: baseModel ?? null,
    ...given({ baseDtype, baseFormats, initLoraWeights }),
    ...(pooling && given({ pooling, maxLength })),
    ...given({ rank, alpha, rslora, dropout, adapterSize, adapterPlacement }),
    bias: config.bias,
    ...(targetModules !== undefined && { targetModules }),
    modulesToSave: config.modulesToSave,
    modules: paths.map((path) => ({ path, ...method.inLayers?.facts(config, path) })),
    ...given({ notInPeft: whyNotPeft(config) ?? whyWrongInPeft(adapter) }),
  };
}

/** What PEFT 0.21 gets wrong of an adapter that it loads. */
function whyWrongInPeft({ config, tensors, adaptsTransposed }: SavedAdapter): string | undefined {
  if (adaptsTransposed && "initLoraWeights" in config && config.initLoraWeights === "olora")
    return "PEFT's OLoRA fails on GPT-2's Conv1D, whose weights it does not transpose: export --to peft-lora";
  // hira/layer.py, Embedding.forward; PEFT's merged model has the scale.
  if (config.method === "hira" && [...tensors.keys()].some((name) => name.includes("embed_tokens")))
    return "PEFT's HiRA leaves out the scale that Gemma 3 multiplies embeddings by: merge, if that is the base";
  return undefined;
}

/** The head of a checkpoint; that of a CrossEncoder's folder gives scores. */
function headOf(folder: string, config: JsonObject): TrainedHead | undefined {
  const head = inferTask(config);
  return head && isReranker(folder) ? { ...head, kind: "reranking" } : head;
}

async function inspectModel(folder: string): Promise<ModelInspection> {
  const config = readConfig(folder);
  const refusals: string[] = [];
  const architecture = await attempt(refusals, () => {
    const found = architectureOf(config);
    return { ...found, config: found.parseConfig(config) };
  });
  const head = await attempt(refusals, () => headOf(folder, config));
  const embedding = isSentenceTransformer(folder)
    ? await attempt(refusals, () => readEmbeddingFormat(folder))
    : undefined;
  if (head?.kind === "reranking") await attempt(refusals, () => readCrossEncoderFormat(folder));
  const tensors = (await attempt(refusals, () => headersOf(openWeights(folder)))) ?? [];
  if (architecture && tensors.length > 0) {
    const missing = await attempt(refusals, () => {
      checkLayers(architecture.config, tensors.length);
      return missingWeights(config, tensors);
    });
    refusals.push(...(missing ?? []));
  }
  return {
    kind: "model",
    path: folder,
    modelType: typeof config.model_type === "string" ? config.model_type : null,
    architectures: Array.isArray(config.architectures) ? config.architectures.map(String) : [],
    head: head ?? null,
    embedding: embedding ?? null,
    defaultTargetModules: architecture?.defaultTargetModules ?? [],
    vocabSize: architecture?.config.vocabSize ?? null,
    maxTokens: finiteOrNull(architecture?.config.maxTokens),
    tasks: TASK_ENTRIES.filter(([, { head }]) => architecture && findDesign(architecture, head)).map(([kind]) => kind),
    ...sizes(tensors),
    refusals: [...refusals, ...unreadable(tensors)],
  };
}

const finiteOrNull = (value = Number.POSITIVE_INFINITY): number | null => (Number.isFinite(value) ? value : null);

/** The backbone's weights that are missing or whose shape is not the configuration's. */
function missingWeights(config: JsonObject, tensors: readonly TensorInfo[]): string[] {
  const architecture = architectureOf(config);
  const backbone = architecture.backbone(architecture.parseConfig(config));
  const facts = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const problems: string[] = [];
  for (const [name, parameter] of backbone.namedParameters()) {
    const path = `${architecture.prefix}.${name}`;
    const found = checkpointNames(architecture, path).find((name) => facts.has(name));
    const tensor = found === undefined ? undefined : facts.get(found);
    problems.push(...(tensor ? unfit(tensor, parameter) : [`The weight ${path} is missing.`]));
  }
  return problems;
}

/** Why a tensor is not a parameter's. Packed ones are [out, in] in every file. */
function unfit(info: TensorInfo, parameter: Parameter): string[] {
  const { name, fileName = name, dtype, shape, storedAs } = info;
  if (isInteger(dtype)) return [`${fileName} has dtype ${dtype}, but weights are floats.`];
  const wanted = storedAs === undefined ? parameter.storedShape : parameter.shape;
  if (sameShape(shape, wanted)) return [];
  return [`${fileName} ${misshapen(info, wanted)}.`];
}

function unreadable(tensors: readonly TensorFacts[]): string[] {
  const dtypes = new Set(tensors.map(({ dtype }) => dtype).filter((dtype) => torchDtype(dtype) === undefined));
  return Array.from(dtypes, (dtype) => `Tensors of dtype ${dtype} are not supported; convert them to F32 or BF16.`);
}

/** The headers of open files, which are then closed. */
function headersOf(files: Pick<Weights, "names" | "info" | "close">): TensorInfo[] {
  try {
    return files.names.map((name) => files.info(name));
  } finally {
    files.close();
  }
}

const factsOf = ({ name, dtype, shape, storedAs }: TensorInfo): TensorFacts => ({
  ...{ name, dtype, shape },
  ...(storedAs !== undefined && { storedAs }),
});

function sizes(tensors: readonly TensorInfo[]): Pick<Contents, "parameters" | "dtypes" | "bytes" | "tensors"> {
  const dtypes: Record<string, number> = {};
  let [parameters, bytes] = [0, 0];
  for (const { dtype, shape, begin, end, storedAs = dtype, partBytes = 0 } of tensors) {
    const count = numelOf(shape);
    parameters += count;
    bytes += end - begin + partBytes;
    dtypes[storedAs] = (dtypes[storedAs] ?? 0) + count;
  }
  return { parameters, dtypes, bytes, tensors: tensors.map(factsOf) };
}

/** The result; or undefined, with the error's message added to the list. */
async function attempt<T>(refusals: string[], read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    if (!refusals.includes(error.message)) refusals.push(error.message);
    return undefined;
  }
}
