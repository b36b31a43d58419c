import type { JsonObject } from "../json.js";
import { dequantize, isReadable } from "./dequantize.js";
import { ggufError } from "./error.js";
import type { GgufFile } from "./file.js";
import type { ArchitectureKeys } from "./keys.js";
import { llama3Settings } from "./llama3Rope.js";
import { ROPE_FACTORS } from "./names.js";

const DEFAULT_BASE = 10000;

/** What `rope.scaling.` may hold beside a type. */
const SCALING_KEYS: readonly string[] = ["type", "factor", "original_context_length", "finetuned"];

/**
 * `rope_parameters` as transformers has them.
 * @throws BidoraError `GGUF` for a way of stretching positions that is not supported
 */
export function ropeParameters(file: GgufFile, read: ArchitectureKeys, headSize: number): JsonObject {
  const rope_theta = read.optionalNumber("rope.freq_base") ?? DEFAULT_BASE;
  const factors = ropeFactors(file, headSize);
  const stretched = scaling(read);
  if (!factors || factors.every((factor) => factor === 1)) return { rope_theta, ...stretched };
  if (stretched.rope_type === "default") return { rope_theta, ...fitted(file, factors, rope_theta) };
  throw read.fault("rope.scaling", `stretches positions that tensor '${ROPE_FACTORS}' stretches too: not supported.`);
}

function scaling(read: ArchitectureKeys): JsonObject {
  const old = read.optionalNumber("rope.scale_linear") ?? 1;
  const factor = read.optionalNumber("rope.scaling.factor") ?? old;
  const type = read.optionalText("rope.scaling.type") ?? (factor === 1 ? "none" : "linear");
  const extra = read.under("rope.scaling.").find((key) => !SCALING_KEYS.includes(key));
  if (extra !== undefined && type !== "none") throw read.fault(`rope.scaling.${extra}`, "is not supported.");
  if (type === "none") return { rope_type: "default" };
  if (type === "linear") return factor === 1 ? { rope_type: "default" } : { rope_type: "linear", factor };
  if (type !== "yarn") {
    throw read.fault(
      "rope.scaling.type",
      `${JSON.stringify(type)} is not supported; supported are none, linear, yarn.`,
    );
  }
  return {
    rope_type: "yarn",
    factor,
    original_max_position_embeddings: read.count("rope.scaling.original_context_length"),
  };
}

/** What the file divides each frequency by; undefined where it has no such tensor. */
function ropeFactors(file: GgufFile, headSize: number): Float32Array | undefined {
  if (!file.tensors.has(ROPE_FACTORS)) return undefined;
  const { type, shape } = file.info(ROPE_FACTORS);
  if (shape.length !== 1 || shape[0] !== headSize / 2 || !isReadable(type)) {
    throw ggufError(
      file.path,
      `tensor '${ROPE_FACTORS}' has type ${type} and shape [${shape.join(", ")}]; expected F32 and [${headSize / 2}].`,
    );
  }
  return dequantize(type, file.readBytes(ROPE_FACTORS));
}

function fitted(file: GgufFile, factors: Float32Array, theta: number): JsonObject {
  const settings = llama3Settings(factors, theta);
  if (settings) return { rope_type: "llama3", ...settings };
  throw ggufError(
    file.path,
    `tensor '${ROPE_FACTORS}' holds factors that are not those of Llama 3's way of stretching positions, which alone is supported.`,
  );
}
