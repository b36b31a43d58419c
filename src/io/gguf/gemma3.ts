import type { JsonObject } from "../json.js";
import type { ArchitectureKeys } from "./keys.js";

/** Every sixth layer sees everything, as llama.cpp has it where the file does not say. */
const PATTERN = 6;
/** The base of the layers that see a window. */
const WINDOW_BASE = 10000;
/** The model of so many layers divides by another size of heads than they have. */
const LARGEST = 62;

/** Gemma 3's two kinds of layers, each with its own rotary positions, of which the wide ones alone are stretched. */
export function gemma3Config(read: ArchitectureKeys, rope: JsonObject): JsonObject {
  const layers = read.count("block_count");
  const window = read.optionalCount("attention.sliding_window") ?? 0;
  const pattern = read.optionalCount("attention.sliding_window_pattern") ?? PATTERN;
  const isWide = (layer: number) => window === 0 || (layer + 1) % pattern === 0;
  const rope_theta = read.optionalNumber("rope.freq_base_swa") ?? WINDOW_BASE;
  return {
    layer_types: Array.from({ length: layers }, (_, i) => (isWide(i) ? "full_attention" : "sliding_attention")),
    ...(window > 0 && { sliding_window: window }),
    rope_parameters: { full_attention: rope, sliding_attention: { rope_type: "default", rope_theta } },
    query_pre_attn_scalar:
      layers === LARGEST
        ? read.count("embedding_length") / read.count("attention.head_count")
        : read.count("attention.key_length"),
    hidden_activation: "gelu_pytorch_tanh",
  };
}
