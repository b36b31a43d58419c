export { exportGguf } from "./gguf/exportGguf.js";
export { exportLora } from "./gguf/exportLora.js";
export type { DtypeError } from "./onnx/dtypes/errors.js";
export { ONNX_DTYPE_NAMES, type OnnxDtypeName } from "./onnx/dtypes.js";
export { exportOnnx, type OnnxFile } from "./onnx/exportOnnx.js";
export { exportPeft } from "./peft.js";
export { whyNotExported } from "./refusals.js";
