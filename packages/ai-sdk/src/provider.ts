import { NoSuchModelError, type ProviderV3 } from "@ai-sdk/provider";
import { BidoraEmbeddingModel } from "./embeddingModel.js";
import { BidoraLanguageModel } from "./languageModel.js";
import { type ModelSettings, OpenModels } from "./openModels.js";

/** Makes models of the AI SDK from the folders and the Hub repositories of models and adapters. */
export interface BidoraProvider extends ProviderV3 {
  /** A model that reads conversations by its chat template; the same as `languageModel`. */
  (modelId: string, settings?: ModelSettings): BidoraLanguageModel;
  /**
   * A model that reads conversations by its chat template. It is opened at its first call, and stays open.
   * @param modelId the folder of a model or an adapter, a GGUF file, or a Hub repository
   */
  languageModel(modelId: string, settings?: ModelSettings): BidoraLanguageModel;
  /** A model that continues a text, for models without a chat template. */
  completionModel(modelId: string, settings?: ModelSettings): BidoraLanguageModel;
  /**
   * A model for text embeddings: one of sentence-transformers, an adapter that was trained with `--task embedding`, or any other model,
   * whose embedding is the mean over its tokens.
   */
  embeddingModel(modelId: string, settings?: ModelSettings): BidoraEmbeddingModel;
  /** @throws NoSuchModelError since bidora has none */
  imageModel(modelId: string): never;
  /** Releases the weights of the provider's models. Calls that run fail; a later call opens its model again. */
  dispose(): Promise<void>;
}

/** Makes a provider with models of its own. @param defaults settings of `load` for all of them */
export function createBidora(defaults: ModelSettings = {}): BidoraProvider {
  const models = new OpenModels();
  const opener = (id: string, settings: ModelSettings, kind: "languageModel" | "embeddingModel") => () =>
    models.open(id, { ...defaults, ...settings }, kind);
  const languageModel = (id: string, settings: ModelSettings = {}) =>
    new BidoraLanguageModel(id, "chat", opener(id, settings, "languageModel"));
  return Object.assign(languageModel.bind(undefined), {
    specificationVersion: "v3" as const,
    languageModel,
    completionModel: (id: string, settings: ModelSettings = {}) =>
      new BidoraLanguageModel(id, "completion", opener(id, settings, "languageModel")),
    embeddingModel: (id: string, settings: ModelSettings = {}) =>
      new BidoraEmbeddingModel(id, opener(id, { task: "embedding", ...settings }, "embeddingModel")),
    imageModel(modelId: string): never {
      throw new NoSuchModelError({ modelId, modelType: "imageModel" });
    },
    dispose: () => models.dispose(),
  });
}

/** A provider with the default settings. */
export const bidora = createBidora();
