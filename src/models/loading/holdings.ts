// How a model's weights are held in memory.

import { UsageError } from "../../base/index.js";
import type { PackedTensor } from "../../formats/index.js";
import * as torch from "../../torch/index.js";
import { arithmetic, canRoundInputs } from "../../torch/operators/index.js";
import { headDtype } from "../heads.js";
import {
  type BaseDtype,
  DenseWeight,
  Embedding,
  isWithin,
  isWithinAny,
  Linear,
  OutputLinear,
  PackedWeight,
  type Parameter,
  W8A8,
  WEIGHT_FORMATS,
  type Weight,
  type WeightFormat,
} from "../nn/index.js";
import type { TaskModel } from "../taskModel.js";
import type { WeightSource } from "./weightSource.js";

/** See `LoadModelOptions`. */
interface HoldingOptions {
  readonly dtype: torch.DType;
  readonly masterDtype?: torch.DType;
  readonly baseDtype?: BaseDtype | undefined;
  readonly device?: string;
}

/** How a frozen parameter is held. */
export interface Holding {
  readonly isPacked: boolean;
  /** Its memory in bytes. */
  readonly bytes: number;
  /** Reads its tensors. */
  readonly read: () => readonly torch.Tensor[];
  /** Makes the weight of them. */
  readonly hold: (parts: readonly torch.Tensor[]) => Weight;
}

/**
 * How each frozen parameter is held: packed, if it is a matrix and the file has it so or `baseDtype` says so, or else dense. Those of the head
 * have the head's dtype.
 * @throws UsageError if no matrix can be held as `baseDtype` says, or the device can't decode it
 */
export function holdings(
  model: TaskModel,
  frozen: readonly (readonly [path: string, parameter: Parameter])[],
  weights: WeightSource,
  options: HoldingOptions,
): ReadonlyMap<Parameter, Holding> {
  const { baseDtype, masterDtype, device = "cpu" } = options;
  const isDecoded = device === "cpu" || device === "meta";
  const format = baseDtype === undefined ? undefined : WEIGHT_FORMATS.get(baseDtype);
  if (format && !isDecoded)
    throw new UsageError(
      `${format.name} weights are decoded by the CPU, got device ${device}: take device cpu, or leave out baseDtype (--base-dtype).`,
    );
  if (format === W8A8) checkRounding(options.dtype);
  const [linear, tables] = matricesOf(model);
  const lookups = lookupsOf(model);
  const isMapped = (parameter: Parameter) => masterDtype === undefined && lookups.has(parameter);
  const holdingOf = (path: string, parameter: Parameter): Holding => {
    const isHead = isWithinAny(path, model.headModules);
    const dtype = computeDtypeOf(path, model, options.dtype);
    const plain = isHead ? dtype : (masterDtype ?? dtype);
    // The head computes in float32, where the bytes of w8a8 are those of int8.
    const own = isHead && format === W8A8 ? WEIGHT_FORMATS.get("int8") : format;
    const isMatrix = linear.has(parameter) || tables.has(parameter);
    const stored = isMatrix && isDecoded && masterDtype === undefined ? weights.packed(path, parameter) : undefined;
    const ofFile = stored && WEIGHT_FORMATS.get(stored.format);
    if (ofFile && (own?.name ?? baseDtype ?? ofFile.name) === ofFile.name)
      return asStored(parameter, dtype, ofFile, stored);
    if (!linear.has(parameter) || baseDtype === undefined)
      return dense(path, parameter, plain, weights, isMapped(parameter));
    if (!own) return dense(path, parameter, baseDtype as torch.DType, weights);
    const fills = parameter.shape.at(-1)! % own.elements === 0;
    return fills ? made(path, parameter, dtype, weights, own) : dense(path, parameter, dtype, weights);
  };
  const held = new Map(frozen.map(([path, parameter]) => [parameter, holdingOf(path, parameter)]));
  if (format && ![...held.values()].some(({ isPacked }) => isPacked))
    throw new UsageError(
      `No effect: ${format.name} holds rows of whole blocks of ${format.elements} values, and no linear layer of this model has such rows; leave out baseDtype (--base-dtype).`,
    );
  return held;
}

/** The dtype that a module computes in: the head's, or the backbone's, which is `dtype`. */
export const computeDtypeOf = (path: string, { headModules }: TaskModel, dtype: torch.DType): torch.DType =>
  isWithinAny(path, headModules) ? headDtype(dtype) : dtype;

/** @throws UsageError if products can't round their inputs to int8 */
function checkRounding(dtype: torch.DType): void {
  if (!canRoundInputs())
    throw new UsageError(`${W8A8.name} needs a processor with AMX, got ${arithmetic()}: take int8, which is as small.`);
  if (dtype !== "bfloat16") throw new UsageError(`${W8A8.name} needs dtype bfloat16 (--dtype), got ${dtype}.`);
}

function asStored({ shape }: Parameter, dtype: torch.DType, format: WeightFormat, stored: PackedTensor): Holding {
  return {
    isPacked: true,
    bytes: format.bytesOf(shape),
    read: () => stored.read(),
    hold: (parts) => new PackedWeight(format, shape, dtype, parts, stored.block),
  };
}

function made(
  path: string,
  parameter: Parameter,
  dtype: torch.DType,
  weights: WeightSource,
  format: WeightFormat,
): Holding {
  const { shape } = parameter;
  return {
    isPacked: true,
    bytes: format.bytesOf(shape),
    read: () => weights.pack(path, parameter, format),
    hold: (parts) => new PackedWeight(format, shape, dtype, parts, format.block),
  };
}

function dense(path: string, parameter: Parameter, dtype: torch.DType, weights: WeightSource, mayMap = false): Holding {
  return {
    isPacked: false,
    bytes: torch.numelOf(parameter.shape) * torch.DTYPE_BYTES[dtype],
    read: () => [weights.read(path, parameter, dtype, mayMap)],
    hold: ([tensor]) => new DenseWeight(tensor as torch.Tensor),
  };
}

/**
 * The embedding tables whose rows are only looked up, as no output layer is tied to them. Mapped from the file, a table takes the memory of the
 * rows that are used.
 */
function lookupsOf(model: TaskModel): ReadonlySet<Parameter> {
  const layers = Array.from(model.baseModules(), ([, module]) => module);
  const tied = layers.map((layer) => (layer instanceof OutputLinear ? layer.tied : undefined));
  const tables = layers.filter((layer) => layer instanceof Embedding && !tied.includes(layer)) as Embedding[];
  return new Set(tables.map(({ weight }) => weight));
}

/** The matrices of linear layers, and those of embeddings and outputs. */
export function matricesOf(
  model: TaskModel,
): readonly [linear: ReadonlySet<Parameter>, tables: ReadonlySet<Parameter>] {
  const layers = Array.from(model.baseModules(), ([, module]) => module);
  const tables = layers.filter((layer) => layer instanceof Embedding || layer instanceof OutputLinear);
  const linear = layers.filter((layer) => layer instanceof Linear && !(layer instanceof OutputLinear)) as Linear[];
  return [new Set(linear.map(({ weight }) => weight)), new Set(tables.map(({ weight }) => weight))];
}

/** The number of matrices by their format. */
export type MatrixFormats = Readonly<Record<string, number>>;

export const DENSE = "dense";

/** Counts the backbone's matrices: those of linear layers, and of embeddings and outputs those that are packed. */
export function matrixFormats(model: TaskModel): MatrixFormats {
  const isOfHead = (path: string) => model.headModules.some((module) => isWithin(path, module));
  const [linear, tables] = matricesOf(model);
  const parameters = new Map(Array.from(model.baseParameters(), ([path, parameter]) => [parameter, path]));
  const counts: Record<string, number> = {};
  for (const [parameter, path] of parameters) {
    if (isOfHead(path) || !parameter.isFilled) continue;
    const format = formatOf(parameter.values);
    if (linear.has(parameter) || (tables.has(parameter) && format !== DENSE))
      counts[format] = (counts[format] ?? 0) + 1;
  }
  return counts;
}

/** A packed matrix's format, with its block sizes if they are not those of matrices that are packed here. */
function formatOf(values: Weight): string {
  if (!(values instanceof PackedWeight)) return DENSE;
  const { format, block } = values;
  return block.join() === format.block.join() ? format.name : [format.name, ...block].join("/");
}
