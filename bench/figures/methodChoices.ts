import type { OwnSpec, Shape } from "../turns/protocol.js";

export type MethodChoice = Pick<OwnSpec, "method" | "hypergradient">;

/** The methods that the figures compare, by their names in the figures. */
export const METHOD_CHOICES: Readonly<Record<string, MethodChoice>> = {
  LoRA: { method: "lora" },
  DoRA: { method: "dora" },
  "BiDoRA, forward difference": { method: "bidora", hypergradient: "forward-difference" },
  "BiDoRA, exact": { method: "bidora", hypergradient: "exact" },
};

/** The model and rows of a figure's steps. */
export interface StepPlace {
  readonly model: string;
  readonly threads: number;
  readonly rank: number;
  readonly shape: Shape;
}

/** A step as the figures show it: all linear layers adapted, in bfloat16. */
export function stepOf(choice: MethodChoice, place: StepPlace): OwnSpec {
  const head = { kind: "sequence-classification", labels: 2 } as const;
  const common = { task: "train", unit: "step", targets: "all-linear", precision: "bfloat16" } as const;
  return { ...head, ...common, ...choice, ...place };
}
