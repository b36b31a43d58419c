// Calls of tools: how models write them, and how they are read and enforced.
export type { ReadCall } from "./callReading.js";
export type { ToolChoice } from "./enforcing.js";
export type { CallPiece } from "./format.js";
