export { NoTangent } from "./rule.js";
export { type Recorded, type RecordOptions, recordForward, type TangentTape } from "./tangentTape.js";
