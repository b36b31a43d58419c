import { count, type GgufPair, number, text } from "../../io/gguf/metadata.js";
import { llama3Factors } from "../../io/gguf/rope.js";
import type { Rope } from "../../models/index.js";
import { exportError } from "./refuse.js";

/** How a model's positions are stretched, as llama.cpp's converter says it. */
export interface RopeMetadata {
  readonly pairs: readonly GgufPair[];
  /** What each frequency is divided by, where that is a tensor's business. */
  readonly factors?: readonly number[];
}

/**
 * @param prefix the architecture's name
 * @throws BidoraError `EXPORT` for a way of stretching that llama.cpp does not have, or has with other settings
 */
export function ropeMetadata(prefix: string, rope: Rope, maxPositions: number): RopeMetadata {
  const base: GgufPair = [`${prefix}.rope.freq_base`, number(rope.theta)];
  if (rope.type === "default") return { pairs: [base] };
  const { settings } = rope;
  const original = Number(settings.original_max_position_embeddings ?? maxPositions);
  if (rope.type === "llama3" && prefix !== "llama")
    throw exportError(`llama.cpp has llama3 scaling of positions for llama models, but not for ${prefix}.`);
  if (rope.type === "llama3") return { pairs: [base], factors: factorsOf(rope, original) };
  if (rope.type !== "linear" && rope.type !== "yarn") {
    throw exportError(`llama.cpp has no ${rope.type} scaling of positions; it has linear, llama3 and yarn.`);
  }
  const factor = Number(settings.factor ?? maxPositions / original);
  const scaling: GgufPair[] = [
    base,
    [`${prefix}.rope.scaling.type`, text(rope.type)],
    [`${prefix}.rope.scaling.factor`, number(factor)],
  ];
  if (rope.type === "linear") return { pairs: scaling };
  refuseUnlikeYarn(rope, factor);
  return { pairs: [...scaling, [`${prefix}.rope.scaling.original_context_length`, count(original)]] };
}

function factorsOf({ settings, theta, frequencies }: Rope, original: number): number[] {
  const [factor, low, high] = [settings.factor, settings.low_freq_factor, settings.high_freq_factor].map(Number);
  const all = { factor: factor!, low_freq_factor: low!, high_freq_factor: high! };
  return llama3Factors({ ...all, original_max_position_embeddings: original }, theta, frequencies(0).length);
}

/** YaRN's settings that files could name are read by few versions: only those that all take for granted are written. */
function refuseUnlikeYarn({ settings, factor: attention }: Rope, factor: number): void {
  const { beta_fast: fast, beta_slow: slow, truncate } = settings;
  const usual = factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1;
  const other =
    ((fast ?? 32) !== 32 && "beta_fast") ||
    ((slow ?? 1) !== 1 && "beta_slow") ||
    (truncate === false && "truncate") ||
    (Math.abs(attention / usual - 1) > 1e-6 && "attention_factor");
  if (other) throw exportError(`its yarn scaling has another ${other} than llama.cpp takes for granted.`);
}
