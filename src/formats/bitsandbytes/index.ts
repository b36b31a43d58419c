export {
  BITSANDBYTES_FORMATS,
  type BitsandbytesFormat,
  packedEntries,
  QUANTIZATION_FLOATS,
  quantizationConfig,
  unreadQuantization,
} from "./writer.js";
