import { own } from "../../common/collections.js";
import type { GgufArchitecture } from "./architectures.js";
import { ggufError } from "./error.js";

export const EMBEDDINGS = "token_embd.weight";
export const OUTPUT = "output.weight";
/** Factors by which rotary frequencies are divided: no parameter, but part of the configuration. */
export const ROPE_FACTORS = "rope_freqs.weight";

const OUTSIDE_LAYERS: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

/**
 * The name in transformers of each tensor in a file, from it to the file's own.
 * @param layers how many the model has
 * @throws BidoraError `GGUF` for a tensor that the model has no place for: without it the model would be another one
 */
export function parameterNames(
  path: string,
  { layerNames, modelType }: GgufArchitecture,
  tensors: Iterable<string>,
  layers: number,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const tensor of tensors) {
    if (tensor === ROPE_FACTORS) continue;
    const name = parameterName(layerNames, tensor, layers);
    if (name === undefined)
      throw ggufError(path, `tensor '${tensor}' has no place in a ${modelType} model of ${layers} layers.`);
    names.set(name, tensor);
  }
  return names;
}

/** The name in a file of a parameter as transformers calls it, or undefined where files have no place for it. */
export function tensorName(
  { layerNames }: Pick<GgufArchitecture, "layerNames">,
  parameter: string,
): string | undefined {
  const [, layer, module, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(parameter) ?? [];
  const places = Object.entries(layer === undefined ? OUTSIDE_LAYERS : layerNames);
  const part = places.find(([, name]) => name === module)?.[0];
  return part && `${layer === undefined ? "" : `blk.${layer}.`}${part}.${kind}`;
}

function parameterName(
  layerNames: Readonly<Record<string, string>>,
  tensor: string,
  layers: number,
): string | undefined {
  const [, layer, part, kind] = /^(?:blk\.(0|[1-9]\d*)\.)?(\w+)\.(weight|bias)$/.exec(tensor) ?? [];
  if (part === undefined || Number(layer ?? 0) >= layers) return undefined;
  const name = own(layer === undefined ? OUTSIDE_LAYERS : layerNames, part);
  if (name === undefined) return undefined;
  return `${layer === undefined ? "" : `model.layers.${layer}.`}${name}.${kind}`;
}
