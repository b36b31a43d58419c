/** How a model is fine-tuned. */
export type Method = "full" | "bitfit" | "adapter" | "lora" | "vera" | "adalora" | "dora" | "bidora";

interface MethodFacts {
  /** Whether this version can train it. */
  readonly available: boolean;
  readonly about: string;
  /** A learning rate that suits small and base-size encoders. */
  readonly learningRate: number;
}

/** Every method by name. */
export const METHODS: Readonly<Record<Method, MethodFacts>> = {
  full: { available: true, about: "all weights", learningRate: 5e-5 },
  bitfit: { available: false, about: "biases only", learningRate: 1e-3 },
  adapter: { available: false, about: "bottleneck layers after attention and feed-forward", learningRate: 1e-3 },
  lora: { available: true, about: "a low-rank update", learningRate: 1e-3 },
  vera: { available: false, about: "scaling vectors over shared random matrices", learningRate: 1e-2 },
  adalora: { available: false, about: "a low-rank update with a learned rank for each layer", learningRate: 1e-3 },
  dora: { available: true, about: "magnitude and low-rank direction", learningRate: 1e-3 },
  bidora: { available: true, about: "DoRA's layer, its magnitudes trained in an upper level", learningRate: 1e-3 },
};

export const methodNames = Object.keys(METHODS) as readonly Method[];
export const availableMethods: readonly Method[] = methodNames.filter((name) => METHODS[name].available);
