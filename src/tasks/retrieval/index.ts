export { hardNegatives, type NegativeOptions } from "./hardNegatives.js";
export { type Relevance, relevanceOf, type TextPair } from "./relevance.js";
export { type EmbeddingSearch, type Hit, nearest, relevantRanks } from "./search.js";
export { cosine, type Embeddings } from "./unitRows.js";
