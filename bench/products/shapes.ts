/** A frozen weight, [out, in]: y = x·Wᵀ. */
export interface WeightShape {
  readonly from: number;
  readonly to: number;
  /** Output sizes of the weights that this one fuses, if it is several. */
  readonly parts?: readonly number[];
}

/** The sizes of a model's linear layers. */
interface Sizes {
  readonly hidden: number;
  readonly intermediate: number;
  /** Width of the keys and values; the hidden size unless attention is grouped-query. */
  readonly keyValue?: number;
  /** The feed-forward layer has a gate and an up projection. */
  readonly gated?: boolean;
  /** The vocabulary's size, for a model that generates. */
  readonly vocabulary?: number;
}

const MODELS: Readonly<Record<string, Sizes>> = {
  "BERT base": { hidden: 768, intermediate: 3072 },
  "BERT large": { hidden: 1024, intermediate: 4096 },
  "Llama 135M": { hidden: 576, intermediate: 1536, keyValue: 192, gated: true, vocabulary: 49152 },
  "Llama 1B": { hidden: 2048, intermediate: 8192, keyValue: 512, gated: true },
};

/** The weight shapes of a layer, each once, and those of fused weights: query, key and value; gate and up. */
function weightsOf({ hidden, intermediate, keyValue = hidden, gated = false }: Sizes): WeightShape[] {
  const apart = [...new Set([hidden, keyValue, intermediate])].map((to) => ({ from: hidden, to }));
  const atOnce = [[hidden, keyValue, keyValue], ...(gated ? [[intermediate, intermediate]] : [])].map((parts) => ({
    from: hidden,
    to: parts.reduce((sum, part) => sum + part, 0),
    parts,
  }));
  return [...apart, ...atOnce, { from: intermediate, to: hidden }];
}

/** The weights of each model's layers. */
export const WEIGHTS: Readonly<Record<string, readonly WeightShape[]>> = Object.fromEntries(
  Object.entries(MODELS).map(([name, sizes]) => [name, weightsOf(sizes)]),
);

/** Each model's output projection to the vocabulary, measured only for the few rows of generation. */
export const OUTPUTS: Readonly<Record<string, WeightShape>> = Object.fromEntries(
  Object.entries(MODELS).flatMap(([name, { hidden, vocabulary }]) =>
    vocabulary === undefined ? [] : [[name, { from: hidden, to: vocabulary }]],
  ),
);

/** The most rows that a generation step has. */
export const FEW_ROWS = 16;

/** Tokens per batch; 782 is an MRPC batch, to have a count that is no round number. */
export const ROWS: readonly number[] = [1, 4, 16, 64, 256, 782, 1024, 4096];
