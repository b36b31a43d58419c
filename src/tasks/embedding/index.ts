export type { EmbeddingRow } from "./rows.js";
