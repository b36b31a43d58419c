// The `quantization_config` of a config.json.

import { shown } from "../../base/index.js";
import { isJsonObject, type JsonObject } from "../../base/records/index.js";
import { FOUR_BIT_TYPES } from "./quantState.js";

/**
 * Why weights with this `quantization_config` are not read, or undefined. Those that bitsandbytes packed are, by what their tensors say; its
 * settings for the computation are not used.
 */
export function unreadQuantization(config: JsonObject): string | undefined {
  const settings = config.quantization_config ?? null;
  if (settings === null) return undefined;
  if (!isJsonObject(settings)) return `quantization_config is ${shown(settings)}, expected an object`;
  const { load_in_4bit: is4Bit, load_in_8bit: is8Bit, bnb_4bit_quant_type: type } = settings;
  const isBitsandbytes = is4Bit === true || is8Bit === true;
  const method = settings.quant_method ?? (isBitsandbytes ? "bitsandbytes" : undefined);
  if (method !== "bitsandbytes")
    return `the quant_method ${shown(method)} of quantization_config is not supported: weights are read as bitsandbytes or GGUF files hold them; use one of those, or the unquantized checkpoint`;
  if (is4Bit === true && type !== undefined && !FOUR_BIT_TYPES.some((known) => known === type))
    return `the bnb_4bit_quant_type ${shown(type)} of quantization_config is not supported; supported are ${FOUR_BIT_TYPES.join(", ")}`;
  if (settings.llm_int8_has_fp16_weight === true)
    return "llm_int8_has_fp16_weight of quantization_config is not supported: its weights are quantized again for each product";
  return undefined;
}
