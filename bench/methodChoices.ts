import type { OwnSpec } from "./protocol.js";

export type MethodChoice = Pick<OwnSpec, "method" | "hypergradient">;

/** The methods that figures compare, by the names that they have there. */
export const METHOD_CHOICES: Readonly<Record<string, MethodChoice>> = {
  LoRA: { method: "lora" },
  DoRA: { method: "dora" },
  "BiDoRA, forward difference": { method: "bidora", hypergradient: "forward-difference" },
  "BiDoRA, exact": { method: "bidora", hypergradient: "exact" },
};
