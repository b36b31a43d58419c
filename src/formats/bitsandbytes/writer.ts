// Matrices as bitsandbytes packs them, as transformers writes them; and the settings that go with them, written and read.

import { shown } from "../../base/index.js";
import { isJsonObject, type JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import type { TensorEntry } from "../safetensors/safetensors.js";
import { type SafetensorsDtype, torchDtype } from "../safetensors/safetensorsHeader.js";
import { packedParts } from "../weights.js";
import { FOUR_BIT_TYPES, type FourBitType, levelsOf } from "./quantState.js";

/** The formats that transformers reads. */
export const BITSANDBYTES_FORMATS = [...FOUR_BIT_TYPES, "int8"] as const;
export type BitsandbytesFormat = (typeof BITSANDBYTES_FORMATS)[number];

/** The elements of a block of 4 bits. */
const BLOCK = 64;

/** A matrix to pack. */
interface Matrix {
  /** Ends in `.weight`. */
  readonly name: string;
  readonly shape: readonly [out: number, columns: number];
  /** That of the values, which the file repeats. */
  readonly dtype: torch.DType;
  /** Computes the values, in float32; called for each tensor that depends on them. */
  readonly values: () => torch.Tensor;
  /** Gets the values and the packed ones, once. */
  readonly onPacked: (values: torch.Tensor, packed: torch.Tensor) => void;
}

/** The tensors of a file for a matrix. */
export const packedEntries = (matrix: Matrix, format: BitsandbytesFormat): TensorEntry[] =>
  format === "int8" ? int8Entries(matrix) : fourBitEntries(matrix, format);

/** Makes the codes of a matrix. */
const codesOf =
  ({ shape, values, onPacked }: Matrix, format: BitsandbytesFormat, block: readonly number[]) =>
  () => {
    const given = values();
    const parts = packedParts(given, format, block);
    onPacked(given, torch.decodeWeight(torch.packedWeight(parts, format, block, shape, "float32")));
    return parts[0]!;
  };

function fourBitEntries(matrix: Matrix, type: FourBitType): TensorEntry[] {
  const { name, shape, dtype, values } = matrix;
  const count = torch.numelOf(shape);
  const codes = codesOf(matrix, type, [BLOCK]);
  const state = `{"quant_type": "${type}", "blocksize": ${BLOCK}, "dtype": "${dtype}", "shape": [${shape.join(", ")}]}`;
  const bytes = Buffer.from(state); // as Python's json writes it
  return [
    entry(name, "U8", [Math.ceil(count / 2), 1], codes),
    entry(`${name}.absmax`, "F32", [Math.ceil(count / BLOCK)], () => torch.quantizeWeight(values(), type, BLOCK)[1]!),
    entry(`${name}.quant_map`, "F32", [16], () => levelsOf(type)),
    entry(`${name}.quant_state.bitsandbytes__${type}`, "U8", [bytes.length], () =>
      torch.fromBytes(bytes, [bytes.length], "uint8"),
    ),
  ];
}

function int8Entries(matrix: Matrix): TensorEntry[] {
  const { name, shape, values } = matrix;
  const module = name.slice(0, -".weight".length);
  const codes = codesOf(matrix, "int8", []);
  return [
    entry(name, "I8", shape, codes),
    entry(`${module}.SCB`, "F32", [shape[0]], () => torch.quantizeWeight(values(), "int8")[1]!),
    entry(`${module}.weight_format`, "U8", [], () => torch.fromBytes(Uint8Array.of(0), [], "uint8")),
  ];
}

function entry(name: string, dtype: SafetensorsDtype, shape: readonly number[], make: () => torch.Tensor): TensorEntry {
  const byteLength = torch.numelOf(shape) * torch.DTYPE_BYTES[torchDtype(dtype)!];
  const write: TensorEntry["write"] = (descriptor, position) =>
    torch.noGrad(() => torch.scope(() => torch.writeFile(make(), descriptor, position)));
  return { name, dtype, shape, byteLength, write };
}

/**
 * The `quantization_config` of a config.json.
 * @param dtype that transformers computes in
 * @param skipped paths of the linear layers that are not packed
 */
export function quantizationConfig(
  format: BitsandbytesFormat,
  dtype: torch.DType,
  skipped: readonly string[],
): JsonObject {
  const is4Bit = format !== "int8";
  return {
    _load_in_4bit: is4Bit,
    _load_in_8bit: !is4Bit,
    bnb_4bit_compute_dtype: is4Bit ? dtype : "float32",
    bnb_4bit_quant_storage: "uint8",
    bnb_4bit_quant_type: is4Bit ? format : "fp4",
    bnb_4bit_use_double_quant: false,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: skipped,
    llm_int8_threshold: 6,
    load_in_4bit: is4Bit,
    load_in_8bit: !is4Bit,
    quant_method: "bitsandbytes",
  };
}

/** The numbers of `quantizationConfig` that must be spelled as floats. */
export const QUANTIZATION_FLOATS = '{"llm_int8_threshold": 6.0}';

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
