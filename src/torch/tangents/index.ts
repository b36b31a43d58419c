// Directional derivatives of gradients, from a recorded pass.
export { NoTangent } from "../operators/rule.js";
export { type RecordOptions, recordForward, type TangentTape } from "./tangentTape.js";
export type { Exchange } from "./walk.js";
