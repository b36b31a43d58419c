// A whole model as transformers writes it: config.json, model.safetensors and a language model's generation_config.json.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, CONFIG_FILE, GENERATION_CONFIG, WEIGHTS_FILE } from "../../base/index.js";
import { copyFiles, type JsonObject, type JsonValue, withFloatsOf, writeFileAtomic } from "../../base/records/index.js";
import {
  type BitsandbytesFormat,
  packedEntries,
  QUANTIZATION_FLOATS,
  quantizationConfig,
} from "../../formats/bitsandbytes/index.js";
import {
  type CrossEncoderFormat,
  crossEncoderKeys,
  type EmbeddingFormat,
  openCheckpoint,
  readConfig,
  writeCrossEncoderFormat,
  writeEmbeddingFormat,
} from "../../formats/index.js";
import { safetensorsDtype, type TensorEntry, torchDtype, writeSafetensors } from "../../formats/safetensors/index.js";
import * as torch from "../../torch/index.js";
import { type Architecture, classNameOf } from "../architecture.js";
import type { HeadKind } from "../heads.js";
import { isWithin, Linear, OutputLinear, type Parameter, transposed } from "../nn/index.js";
import type { TaskModel } from "../taskModel.js";
import type { LoadedModel } from "./loadModel.js";

interface ModelFolder {
  /** The folder of the original checkpoint. Its configuration is kept, apart from the head. */
  readonly source: string;
  readonly architecture: Architecture;
  readonly task: {
    readonly head: HeadKind;
    readonly problem?: { readonly type: string };
    readonly embedding?: EmbeddingFormat;
    readonly reranking?: CrossEncoderFormat;
  };
  /** The most tokens of a text, for a model of sentence-transformers; by default its format's. */
  readonly maxLength?: number | undefined;
  /** The labels of the outputs, in order. */
  readonly labels: readonly string[];
  readonly model: TaskModel;
  /** The head's modules that are trained, by default all. */
  readonly trainedModules?: readonly string[];
  /** Parameters to write instead of the model's, by path. Each is computed when it is written. */
  readonly changed?: ReadonlyMap<string, () => torch.Tensor>;
  /** The dtype of the weights in the file. */
  readonly dtype: torch.DType;
  /** Packs the matrices of linear layers, but those of the trained modules and the output layer. */
  readonly packing?: Packing | undefined;
}

/** Widest first. */
const FLOATS: readonly torch.DType[] = ["float64", "float32", "bfloat16", "float16"];

/** Writes the files that transformers writes, and sentence-transformers' files. `folder` must exist. */
export function writeModelFolder(folder: string, options: ModelFolder): void {
  writeSentenceTransformersFiles(folder, options);
  writeModelConfig(folder, options);
  writeGenerationConfig(folder, options);
  writeSafetensors(join(folder, WEIGHTS_FILE), [...entriesOf(options), ...poolerEntries(options)], { format: "pt" });
}

type SentenceTransformersModel = Pick<ModelFolder, "task" | "maxLength" | "model">;

/** Writes the files beside a model by which sentence-transformers uses it for the same task. */
export function writeSentenceTransformersFiles(
  folder: string,
  { task: { embedding, reranking }, maxLength = (embedding ?? reranking)?.maxLength, model }: SentenceTransformersModel,
): void {
  if (embedding) writeEmbeddingFormat(folder, { ...embedding, maxLength }, model.config.hiddenSize);
  if (reranking) writeCrossEncoderFormat(folder, { ...reranking, maxLength });
}

/** Writes the config.json of such a folder. @param extra keys to add */
export function writeModelConfig(folder: string, options: ModelFolder, extra: JsonObject = {}): void {
  const config = { ...modelConfig(readConfig(options.source), options), ...extra };
  const source = readFileSync(join(options.source, CONFIG_FILE), "utf8") + QUANTIZATION_FLOATS;
  writeFileAtomic(join(folder, CONFIG_FILE), `${withFloatsOf(source, config)}\n`);
}

/** A language model generates by the settings of its checkpoint. */
function writeGenerationConfig(folder: string, { source, model }: ModelFolder): void {
  const isGenerating = model.outputLayer instanceof OutputLinear;
  if (isGenerating && existsSync(join(source, GENERATION_CONFIG))) copyFiles([GENERATION_CONFIG], source, folder);
}

/**
 * The dtype of a checkpoint's weights on disk, but those in a quantization format. Of several dtypes it is the one that holds all values,
 * as torch promotes them.
 */
export function storedDtype(folder: string): torch.DType {
  const checkpoint = openCheckpoint(folder);
  try {
    const infos = checkpoint.names.map((name) => checkpoint.info(name));
    const dtypes = new Set(infos.flatMap(({ storedAs, dtype }) => (storedAs ? [] : [torchDtype(dtype)])));
    if (dtypes.has("float16") && dtypes.has("bfloat16") && !dtypes.has("float64")) return "float32";
    return FLOATS.find((dtype) => dtypes.has(dtype)) ?? "float32";
  } finally {
    checkpoint.close();
  }
}

function modelConfig(source: JsonObject, options: ModelFolder): JsonObject {
  const { architecture, task, labels, dtype, packing } = options;
  const { problem_type: ownProblem, torch_dtype: _oldSpelling, quantization_config: _packed, ...others } = source;
  const { sentence_transformers: _new, sbert_ce_default_activation_function: _old, ...rest } = others;
  // With "regression", a pipeline of transformers gives a reranker's score without the sigmoid: only if the source had it.
  const problem = task.reranking && ownProblem !== "regression" ? undefined : task.problem?.type;
  return {
    ...rest,
    architectures: [classNameOf(architecture, task.head)],
    dtype,
    ...tieKey(options),
    ...(labels.length > 0 && labelKeys(labels)),
    ...(problem !== undefined && { problem_type: problem }),
    ...(task.reranking && crossEncoderKeys(task.reranking)),
    ...(packing && { quantization_config: quantizationConfig(packing.format, dtype, plainPaths(options)) }),
  };
}

/** Whether the output matrix of a language model is still the embedding table. */
function tieKey(options: ModelFolder): JsonObject {
  const { outputLayer } = options.model;
  if (!(outputLayer instanceof OutputLinear)) return {};
  return { tie_word_embeddings: outputLayer.tied !== undefined && untied(options).length === 0 };
}

/** The output matrix, where a merge has untied it from the embeddings because an adapter changed one of the two. */
export function untied({
  model,
  changed,
}: Pick<ModelFolder, "model" | "changed">): [name: string, parameter: Parameter][] {
  const { outputLayer: layer, design } = model;
  if (!(layer instanceof OutputLinear && layer.tied)) return [];
  const own = `${design.output}.weight`;
  const tables = [...model.baseParameters()].filter(([, parameter]) => parameter === layer.weight);
  return [own, ...tables.map(([name]) => name)].some((name) => changed?.has(name)) ? [[own, layer.weight]] : [];
}

function labelKeys(labels: readonly string[]): JsonObject {
  return {
    id2label: Object.fromEntries(labels.map((name, id) => [String(id), name])),
    label2id: Object.fromEntries(labels.map((name, id): [string, JsonValue] => [name, id])),
    num_labels: labels.length,
  };
}

/** The linear layers of transformers' model that are not packed. One without a head has a pooler. */
function plainPaths(options: ModelFolder): readonly string[] {
  const { plain } = linearPaths(options);
  return options.model.design.isBare ? [...plain, "pooler.dense"] : plain;
}

function entriesOf(options: ModelFolder): TensorEntry[] {
  const { model, changed, dtype: wanted, packing } = options;
  // Buffers keep their dtype: position angles must not be rounded.
  const buffers = new Map(model.namedBuffers());
  const packed = new Set(packing && linearPaths(options).packed.map((path) => `${path}.weight`));
  return [...model.baseParameters(), ...untied(options), ...buffers].flatMap(([name, parameter]) => {
    const value = changed?.get(name) ?? (() => parameter.values.dense());
    const isOurs = !changed || changed.has(name);
    const dtype = buffers.has(name) ? parameter.values.dtype : wanted;
    const stored = (): torch.Tensor => {
      const found = torch.castTo(value(), dtype);
      if (isOurs && !torch.isAllFinite(found)) throw notFinite(name, dtype);
      return found;
    };
    if (packing && packed.has(name)) return packedMatrix(name, parameter, dtype, stored, packing);
    return {
      name,
      dtype: safetensorsDtype(dtype),
      shape: parameter.storedShape,
      byteLength: torch.numelOf(parameter.shape) * torch.DTYPE_BYTES[dtype],
      write: (descriptor: number, position: number) =>
        torch.noGrad(() =>
          torch.scope(() => {
            const found = stored();
            torch.writeFile(parameter.isStoredTransposed ? transposed(found) : found, descriptor, position);
          }),
        ),
    };
  });
}

/** The tensors of a matrix that is packed. */
function packedMatrix(
  name: string,
  { shape }: Parameter,
  dtype: torch.DType,
  stored: () => torch.Tensor,
  packing: Packing,
): TensorEntry[] {
  const values = (): torch.Tensor => {
    const found = torch.contiguous(torch.castTo(stored(), "float32"));
    // bitsandbytes rounds to float16 first.
    if (packing.format === "int8" && !torch.isAllFinite(torch.castTo(found, "float16")))
      throw notFinite(name, "float16");
    return found;
  };
  const onPacked = (given: torch.Tensor, found: torch.Tensor): void => packing.add(given, found);
  return packedEntries({ name, shape: shape as [number, number], dtype, values, onPacked }, packing.format);
}

/** The pooler that a model without a head doesn't use, as its checkpoint has it: transformers would initialize a missing one. */
function poolerEntries({ model, source, architecture, dtype }: ModelFolder): TensorEntry[] {
  if (!model.design.isBare) return [];
  const checkpoint = openCheckpoint(source);
  try {
    const found = checkpoint.names.flatMap((name) => {
      const own = name.startsWith(`${architecture.prefix}.`) ? name.slice(architecture.prefix.length + 1) : name;
      return own.startsWith("pooler.") ? [[own, torch.castTo(checkpoint.readTensor(name), dtype)] as const] : [];
    });
    return found.map(([name, tensor]) => ({
      ...{ name, dtype: safetensorsDtype(dtype), shape: tensor.shape, byteLength: tensor.nbytes },
      write: (descriptor, position) => torch.writeFile(tensor, descriptor, position),
    }));
  } finally {
    checkpoint.close();
  }
}

function notFinite(name: string, dtype: torch.DType): BidoraError {
  return new BidoraError(
    "NOT_FINITE",
    `${name} would contain values that are not finite in ${dtype}, so the model was not written.`,
  );
}

// Packing: which matrices of a model are packed in its file, and how much that changes them.

/** The paths of a model's linear layers: those to pack, and those that stay as they are: trained ones of the head, the output layer, unused ones. */
export function linearPaths({
  model,
  trainedModules = model.headModules,
}: Pick<LoadedModel, "model"> & Partial<Pick<LoadedModel, "trainedModules">>): {
  readonly packed: readonly string[];
  readonly plain: readonly string[];
} {
  const layers = [...model.baseModules()].filter(([, module]) => module instanceof Linear);
  const dense = model.denseModules(trainedModules);
  const isPlain = ([path, layer]: (typeof layers)[0]) =>
    layer instanceof OutputLinear || (layer as Linear).isUnused || dense.some((module) => isWithin(path, module));
  const paths = (of: typeof layers) => of.map(([path]) => path);
  return { packed: paths(layers.filter((layer) => !isPlain(layer))), plain: paths(layers.filter(isPlain)) };
}

/** A format for a model's file, and the error of what has been packed. */
export class Packing {
  #error = 0;
  #size = 0;

  constructor(readonly format: BitsandbytesFormat) {}

  /** Counts a matrix. */
  add(values: torch.Tensor, packed: torch.Tensor): void {
    this.#error += squares(torch.sub(packed, values));
    this.#size += squares(values);
  }

  /** The root of the mean squared error of all packed matrices, relative to that of their values. */
  get relativeError(): number {
    return this.#size === 0 ? 0 : Math.sqrt(this.#error / this.#size);
  }
}

const squares = (values: torch.Tensor): number => torch.sum(torch.square(torch.castTo(values, "float64"))).item();
