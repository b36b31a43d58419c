export { exportLora } from "./gguf/exportLora.js";
export { exportGguf } from "./gguf/exportModel.js";
export type { DtypeError } from "./onnx/dtypes/errors.js";
export { ONNX_DTYPE_NAMES, type OnnxDtypeName } from "./onnx/dtypes.js";
export { exportOnnx, type OnnxFile } from "./onnx/exportModel.js";
export { exportPeft } from "./peft.js";
