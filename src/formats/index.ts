export { type Checkpoint, openCheckpoint, openWeights, readConfig, weightFileNames } from "./checkpoint.js";
export { limitedFetch, ResponseTooLong, ResponseTooSlow } from "./limitedFetch.js";
export { type PackedTensor, packedParts } from "./packedTensor.js";
export { modelFolder, ownModelFolder, resolveModel } from "./resolveModel.js";
export {
  type EmbeddingFormat,
  isSentenceTransformer,
  PLAIN_FORMAT,
  POOLINGS,
  type Pooling,
  readEmbeddingFormat,
  writeEmbeddingFormat,
} from "./sentenceTransformers.js";
export { misshapen, shapeSourceOf, type Weights } from "./weights.js";
