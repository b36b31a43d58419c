export {
  architectureFor,
  headsOf,
  interleaveHalves,
  type NamedArchitecture,
  ROPE_FACTORS,
  tensorName,
  writableModelTypes,
} from "./architectures.js";
export { type FileType, fileTypeNumber, typeOf } from "./elements.js";
export { ENCODER_TYPES, type EncoderNames, encoderNames, encoderTensor, RERANKER_TYPES } from "./encoders.js";
export { count, flag, type GgufPair, number, text } from "./metadata.js";
export { TURN_ENDS } from "./modelConfig.js";
export { readGgufSource } from "./modelFolder.js";
export { poolingPair, rankPair } from "./pooling.js";
export { rerankerPairs } from "./rerankers.js";
export { llama3Factors } from "./rope.js";
export { tokenizerMetadata } from "./tokenizer/tokenizerMetadata.js";
export type { TokenizerParts } from "./tokenizer/vocabulary.js";
export { wordSettings } from "./tokenizer/wordPiece.js";
export { blockOf, type GgmlType } from "./types.js";
export { type GgufEntry, writeGguf } from "./writer.js";
