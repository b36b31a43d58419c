export {
  openSafetensors,
  type SafetensorsFile,
  saveSafetensors,
  type TensorEntry,
  writeSafetensors,
} from "./safetensors.js";
export { isInteger, safetensorsDtype, type TensorInfo, torchDtype } from "./safetensorsHeader.js";
