export { hardNegatives, type NegativeOptions } from "./hardNegatives.js";
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
