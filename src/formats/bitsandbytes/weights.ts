// The weights of a folder that transformers wrote from a model which bitsandbytes quantized.

import * as torch from "../../torch/index.js";
import type { TensorInfo } from "../safetensors/safetensorsHeader.js";
import type { Weights } from "../weights.js";
import { fourBitLayer, int8Layer, type PackedLayer, partOf } from "./layers.js";

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
    const others = (named.get(name) as Named).names.map((part) => weights.info(part));
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
