/** A frozen weight, [out, in]: y = x·Wᵀ. */
export interface WeightShape {
  readonly from: number;
  readonly to: number;
  /** Outputs of the weights that this one stands for, where it is several at once. */
  readonly parts?: readonly number[];
}

/** A model's sizes, as far as its linear layers go. */
interface Sizes {
  readonly hidden: number;
  readonly intermediate: number;
  /** Width of the keys and values; the hidden size unless groups of heads share them. */
  readonly keyValue?: number;
  /** The feed-forward layer multiplies two products, gate and up. */
  readonly gated?: boolean;
  /** Of a model that generates. */
  readonly vocabulary?: number;
}

const MODELS: Readonly<Record<string, Sizes>> = {
  "BERT base": { hidden: 768, intermediate: 3072 },
  "BERT large": { hidden: 1024, intermediate: 4096 },
  "Llama 135M": { hidden: 576, intermediate: 1536, keyValue: 192, gated: true, vocabulary: 49152 },
  "Llama 1B": { hidden: 2048, intermediate: 8192, keyValue: 512, gated: true },
};

/** The weights of a layer, each shape once, and those that can be multiplied at once: query, key and value; gate and up. */
function weightsOf({ hidden, intermediate, keyValue = hidden, gated = false }: Sizes): WeightShape[] {
  const apart = [...new Set([hidden, keyValue, intermediate])].map((to) => ({ from: hidden, to }));
  const atOnce = [[hidden, keyValue, keyValue], ...(gated ? [[intermediate, intermediate]] : [])].map((parts) => ({
    from: hidden,
    to: parts.reduce((sum, part) => sum + part, 0),
    parts,
  }));
  return [...apart, ...atOnce, { from: intermediate, to: hidden }];
}

/** By model, the weights that its layers multiply by. */
export const WEIGHTS: Readonly<Record<string, readonly WeightShape[]>> = Object.fromEntries(
  Object.entries(MODELS).map(([name, sizes]) => [name, weightsOf(sizes)]),
);

/** By model, the weight that makes scores of the vocabulary: for the few rows of generation alone. */
export const OUTPUTS: Readonly<Record<string, WeightShape>> = Object.fromEntries(
  Object.entries(MODELS).flatMap(([name, { hidden, vocabulary }]) =>
    vocabulary === undefined ? [] : [[name, { from: hidden, to: vocabulary }]],
  ),
);

/** So many rows come at once in generation, at the most. */
export const FEW_ROWS = 16;

/** Tokens of a batch; 782 is one of MRPC's, and no multiple of anything. */
export const ROWS: readonly number[] = [1, 4, 16, 64, 256, 782, 1024, 4096];
