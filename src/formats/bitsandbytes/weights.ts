// The weights of a folder that transformers wrote from a model which bitsandbytes quantized: each packed matrix is several tensors of a file.

import { dirname } from "node:path";
import { BidoraError } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import type { SafetensorsDtype, TensorInfo } from "../safetensors/safetensorsHeader.js";
import { int8Scales, type PackedTensor, type Weights } from "../weights.js";
import {
  type Fault,
  FOUR_BIT_TYPES,
  type FourBitType,
  levelsOf,
  parseQuantState,
  type QuantState,
} from "./quantState.js";

/** The tensors of a matrix besides its codes. */
interface Named {
  readonly names: string[];
  /** Those in the names of quant_states. */
  readonly types: string[];
  readonly isInt8: boolean;
}

/**
 * The tensors of a folder, in which a matrix that bitsandbytes packed is one tensor [out, in] with values in float32 (in GPT-2's files
 * too, whose other matrices are [in, out]).
 */
export function withPackedLayers(weights: Weights): Weights {
  const named = partsOf(weights.names);
  if (named.size === 0) return weights;
  const layers = new Map<string, PackedLayer>();
  const layerOf = (name: string): PackedLayer | undefined => {
    const parts = named.get(name);
    if (parts && !layers.has(name))
      layers.set(name, parts.isInt8 ? int8Layer(weights, name) : fourBitLayer(weights, name, parts.types));
    return layers.get(name);
  };
  const info = (name: string): TensorInfo => {
    const layer = layerOf(name);
    const own = weights.info(name);
    if (!layer) return own;
    const others = named.get(name)!.names.map((part) => weights.info(part));
    const partBytes = others.reduce((sum, { begin, end }) => sum + end - begin, 0);
    return { ...own, dtype: "F32", shape: layer.shape, storedAs: layer.format, partBytes };
  };
  const readTensor = (name: string, mayMap?: boolean): torch.Tensor => {
    const layer = layerOf(name);
    return layer ? decoded(layer) : weights.readTensor(name, mayMap);
  };
  const isOwn = (name: string) => partOf(name) === undefined;
  return {
    ...weights,
    names: [...new Set([...weights.names.filter(isOwn), ...named.keys()])],
    has: (name) => named.has(name) || (weights.has(name) && isOwn(name)),
    info,
    readTensor,
    readBytes: (name) => (named.has(name) ? torch.scope(() => readTensor(name).bytes()) : weights.readBytes(name)),
    packed: layerOf,
  };
}

function partsOf(names: readonly string[]): Map<string, Named> {
  const found = new Map<string, Named>();
  for (const name of names) {
    const part = partOf(name);
    if (!part) continue;
    const parts = found.get(part.weight) ?? { names: [], types: [], isInt8: part.isInt8 };
    found.set(part.weight, parts);
    parts.names.push(name);
    if (part.type !== undefined) parts.types.push(part.type);
  }
  return found;
}

function decoded({ read, format, block, shape }: PackedLayer): torch.Tensor {
  return torch.scope(() => torch.decodeWeight(torch.packedWeight(read(), format, block, shape, "float32")));
}

/** A packed matrix. */
interface PackedLayer extends PackedTensor {
  readonly shape: readonly number[];
}

const FOUR_BIT_PART =
  /^(.+\.weight)\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__(\w+))$/;
const INT8_PART = /^(.+)\.(?:SCB|weight_format)$/;

/** What a tensor's name says: the matrix that it belongs to, and the type in the name of a quant_state. Undefined for a weight. */
function partOf(
  name: string,
): { readonly weight: string; readonly isInt8: boolean; readonly type?: string | undefined } | undefined {
  const [, weight, type] = FOUR_BIT_PART.exec(name) ?? [];
  if (weight !== undefined) return { weight, isInt8: false, type };
  const [, module] = INT8_PART.exec(name) ?? [];
  return module === undefined ? undefined : { weight: `${module}.weight`, isInt8: true };
}

/** Checks and reads the tensors of a matrix. */
class Parts {
  readonly fault: Fault;

  constructor(
    readonly weights: Weights,
    readonly name: string,
  ) {
    const folder = dirname(weights.files[0]!);
    this.fault = (what) => new BidoraError("WEIGHTS", `Tensor ${name} in ${folder} ${what}.`);
    if (!weights.has(name)) throw this.fault("is missing, but not its scales");
  }

  /** Checks a tensor's header. */
  require(name: string, dtype: SafetensorsDtype, shape: readonly number[]): void {
    if (!this.weights.has(name)) throw this.fault(`is packed by bitsandbytes, but ${name} is missing`);
    const found = this.weights.info(name);
    if (found.dtype === dtype && torch.sameShape(found.shape, shape)) return;
    throw this.fault(
      `needs ${name} of dtype ${dtype} and shape [${shape.join(", ")}], got ${found.dtype} and [${found.shape.join(", ")}]`,
    );
  }

  /** Reads a tensor; floats are checked. */
  read(name: string): torch.Tensor {
    const values = this.weights.readTensor(name);
    if (values.dtype !== "float32" || torch.isAllFinite(values)) return values;
    throw this.fault(`has values in ${name} that are not finite`);
  }
}

/**
 * A matrix of 4 bits.
 * @param types that the names of its quant_states have
 * @throws BidoraError `WEIGHTS` naming the tensor, also when it is read
 */
function fourBitLayer(weights: Weights, name: string, types: readonly string[]): PackedLayer {
  const parts = new Parts(weights, name);
  const [type = ""] = types;
  if (types.length !== 1 || !isFourBitType(type))
    throw parts.fault(
      `is packed as ${types.join(" and ") || "an unknown type"} by its quant_state, expected ${FOUR_BIT_TYPES.join(" or ")}`,
    );
  const state = parseQuantState(weights.readBytes(`${name}.quant_state.bitsandbytes__${type}`), type, parts.fault);
  checkFourBits(parts, state);
  const { shape, block } = state;
  return { format: type, shape, block, read: () => torch.scope(() => readFourBits(parts, state)) };
}

const isFourBitType = (type: string): type is FourBitType => (FOUR_BIT_TYPES as readonly string[]).includes(type);

function checkFourBits(parts: Parts, { shape: [rows, columns], block: [block, nested] }: QuantState): void {
  const { weights, name, fault } = parts;
  const bytes = Math.ceil((rows * columns) / 2);
  const { begin, end } = weights.info(name);
  if (end - begin !== bytes)
    throw fault(`has ${end - begin} bytes, but its shape [${rows}, ${columns}] needs ${bytes} of 4-bit codes`);
  const scales = Math.ceil((rows * columns) / block);
  parts.require(`${name}.quant_map`, "F32", [16]);
  parts.require(`${name}.absmax`, nested === undefined ? "F32" : "U8", [scales]);
  const own = [`${name}.nested_absmax`, `${name}.nested_quant_map`] as const;
  if (nested !== undefined) {
    parts.require(own[0], "F32", [Math.ceil(scales / nested)]);
    parts.require(own[1], "F32", [256]);
  } else if (own.some((part) => weights.has(part)))
    throw fault("has nested scales, but no nested_blocksize in its quant_state");
}

/** What `torch.packedWeight` takes. */
function readFourBits(parts: Parts, { type, block, offset }: QuantState): torch.Tensor[] {
  const { name, weights } = parts;
  const bytes = weights.readBytes(name); // codes, whatever dtype they are stored in
  const map = parts.read(`${name}.quant_map`);
  if (torch.max(torch.abs(torch.sub(map, levelsOf(type)))).item() > 1e-6)
    throw parts.fault(`has another table in ${name}.quant_map than bitsandbytes has for ${type}`);
  const found = [torch.fromBytes(bytes, [bytes.length], "uint8"), parts.read(`${name}.absmax`)];
  if (block.length === 1) return found;
  const nested = ["nested_quant_map", "nested_absmax"].map((part) => parts.read(`${name}.${part}`));
  const [level, scale] = nested.map((part) => torch.max(torch.abs(part)).item()) as [number, number];
  if (!Number.isFinite(Math.fround(level * scale + Math.abs(offset))))
    throw parts.fault("has scales beyond float32, by its nested_absmax and nested_offset");
  return [...found, ...nested, torch.tensor([offset], [1], "float32")];
}

/** The code of rows that are not rearranged, in a `weight_format`. */
const ROW_FORMAT = 0;

/** A matrix of bytes with a scale for each row. @throws BidoraError `WEIGHTS` naming the tensor, also when it is read */
function int8Layer(weights: Weights, name: string): PackedLayer {
  const parts = new Parts(weights, name);
  const { dtype, shape } = weights.info(name);
  if (dtype !== "I8" || shape.length !== 2)
    throw parts.fault(
      `has scales of bitsandbytes, so it must be I8 of shape [out, in], got ${dtype} of shape [${shape.join(", ")}]`,
    );
  const module = name.slice(0, -".weight".length);
  parts.require(`${module}.SCB`, "F32", [shape[0]!]);
  checkWeightFormat(parts, `${module}.weight_format`);
  const read = () =>
    torch.scope(() => {
      const scales = int8Scales(parts.read(`${module}.SCB`));
      return [parts.read(name), scales];
    });
  return { format: "int8", shape, block: [], read };
}

/** Files of older versions of bitsandbytes have none. */
function checkWeightFormat(parts: Parts, name: string): void {
  if (!parts.weights.has(name)) return;
  parts.require(name, "U8", []);
  const [format] = parts.weights.readBytes(name);
  if (format !== ROW_FORMAT) throw parts.fault(`has the weight_format ${format}, expected ${ROW_FORMAT} (rows)`);
}
