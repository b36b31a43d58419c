export { unreadQuantization } from "./settings.js";
export {
  BITSANDBYTES_FORMATS,
  type BitsandbytesFormat,
  packedEntries,
  QUANTIZATION_FLOATS,
  quantizationConfig,
} from "./writer.js";
