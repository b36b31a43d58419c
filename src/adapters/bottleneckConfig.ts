import type { SubLayerOutputs } from "../nn/index.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "./config.js";

/** Where bottlenecks stand: behind attention and feed-forward (Houlsby et al.), or behind feed-forward alone (Pfeiffer et al.). */
export const ADAPTER_PLACEMENTS = ["houlsby", "pfeiffer"] as const;

export type AdapterPlacement = (typeof ADAPTER_PLACEMENTS)[number];

/** Settings of bottleneck adapters. */
export interface BottleneckConfig extends TargetedConfig {
  readonly method: "adapter";
  /** Width of the bottleneck. */
  readonly adapterSize: number;
  readonly adapterPlacement: AdapterPlacement;
  /** By its name in Hugging Face configurations. */
  readonly nonLinearity: string;
  readonly trainsNorms: boolean;
}

/**
 * What else tells the two apart. Houlsby's are as their authors' code (google-research/adapter-bert) has them: GELU by its tanh
 * formula, norms trained too. Pfeiffer's have ReLU, as in the `adapters` library, and leave norms alone.
 */
const OF_PLACEMENT = {
  houlsby: { nonLinearity: "gelu_new", trainsNorms: true },
  pfeiffer: { nonLinearity: "relu", trainsNorms: false },
} as const;

/** Settings of bottleneck adapters; by default Houlsby's of width 64. */
export const bottleneckConfig = (options: Partial<BottleneckConfig>): BottleneckConfig => ({
  ...TARGET_DEFAULTS,
  adapterSize: 64,
  adapterPlacement: "houlsby",
  ...OF_PLACEMENT[options.adapterPlacement ?? "houlsby"],
  ...options,
  method: "adapter",
});

/** The layers that bottlenecks stand behind. */
export function placed(
  placement: AdapterPlacement,
  { attention, feedForward }: SubLayerOutputs,
): Pick<BottleneckConfig, "targetModules" | "excludeModules"> {
  if (placement === "pfeiffer") return { targetModules: feedForward, excludeModules: attention };
  return { targetModules: [...new Set([...attention, ...feedForward])], excludeModules: undefined };
}
