// Matrices as bitsandbytes packs them, and the settings that go with them, as transformers writes both.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { packedParts } from "../packedTensor.js";
import type { TensorEntry } from "../safetensors/safetensors.js";
import { type SafetensorsDtype, torchDtype } from "../safetensors/safetensorsHeader.js";
import { levelsOf } from "./levels.js";
import { FOUR_BIT_TYPES, type FourBitType } from "./quantState.js";

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
    return parts[0] as torch.Tensor;
  };

function fourBitEntries(matrix: Matrix, type: FourBitType): TensorEntry[] {
  const { name, shape, dtype, values } = matrix;
  const count = torch.numelOf(shape);
  const codes = codesOf(matrix, type, [BLOCK]);
  const state = `{"quant_type": "${type}", "blocksize": ${BLOCK}, "dtype": "${dtype}", "shape": [${shape.join(", ")}]}`;
  const bytes = Buffer.from(state); // as Python's json writes it
  return [
    entry(name, "U8", [Math.ceil(count / 2), 1], codes),
    entry(
      `${name}.absmax`,
      "F32",
      [Math.ceil(count / BLOCK)],
      () => torch.quantizeWeight(values(), type, BLOCK)[1] as torch.Tensor,
    ),
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
    entry(`${module}.SCB`, "F32", [shape[0]], () => torch.quantizeWeight(values(), "int8")[1] as torch.Tensor),
    entry(`${module}.weight_format`, "U8", [], () => torch.fromBytes(Uint8Array.of(0), [], "uint8")),
  ];
}

function entry(name: string, dtype: SafetensorsDtype, shape: readonly number[], make: () => torch.Tensor): TensorEntry {
  const byteLength = torch.numelOf(shape) * torch.DTYPE_BYTES[torchDtype(dtype) as torch.DType];
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
