export { hardNegatives, type NegativeOptions } from "./hardNegatives.js";
export { type Relevance, relevanceOf, type TextPair } from "./relevance.js";
export { type Hit, nearest, relevantRanks, type Search } from "./search.js";
export { cosine, type Embeddings } from "./unitRows.js";
