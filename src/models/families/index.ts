export type { BertConfig } from "./bert.js";
export type { ConvolutionConfig, DebertaConfig } from "./debertaV2.js";
export { type RelativeConfig, relativePosition } from "./disentangled.js";
export { type EsmConfig, UNMASKED } from "./esm.js";
export { attentionScale, type Gpt2Config } from "./gpt2.js";
export type { ModernBertConfig } from "./modernbert.js";
export { MAX_DISTANCE, relativePositionBucket } from "./mpnet.js";
