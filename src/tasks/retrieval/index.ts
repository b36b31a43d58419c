export { hardNegatives, type NegativeOptions, type Rescore } from "./hardNegatives.js";
export {
  cosine,
  type EmbeddingSearch,
  type Embeddings,
  type Hit,
  nearest,
  type Relevance,
  relevanceOf,
  relevantRanks,
  type TextPair,
} from "./search.js";
