/** Provider for the AI SDK that runs bidora's models and adapters in the same process. */
export type { BidoraCallOptions } from "./callSettings.js";
export { BidoraEmbeddingModel } from "./embeddingModel.js";
export { BidoraLanguageModel } from "./languageModel.js";
export type { ModelSettings } from "./openModels.js";
export { type BidoraProvider, bidora, createBidora } from "./provider.js";
