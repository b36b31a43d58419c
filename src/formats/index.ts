export { type Checkpoint, openCheckpoint, openWeights, readConfig, weightFileNames } from "./checkpoint.js";
export {
  type CrossEncoderFormat,
  crossEncoderKeys,
  isCrossEncoder,
  PLAIN_RERANKER,
  readCrossEncoderFormat,
  type ScoreActivation,
  scoreOf,
  writeCrossEncoderFormat,
} from "./crossEncoder.js";
export { limitedFetch, ResponseTooLong, ResponseTooSlow } from "./limitedFetch.js";
export { modelFolder, ownModelFolder, resolveModel } from "./resolveModel.js";
export {
  type EmbeddingFormat,
  isSentenceTransformer,
  PLAIN_FORMAT,
  POOLINGS,
  type Pooling,
  readEmbeddingFormat,
  readTextReading,
  type TextReading,
  writeEmbeddingFormat,
} from "./sentenceTransformers.js";
export { misshapen, type PackedTensor, packedParts, shapeSourceOf, type Weights } from "./weights.js";
