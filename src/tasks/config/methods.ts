/** The fine-tuning methods that a run can choose. */

import { type AppliesWhen, alternatives } from "../../base/settings/index.js";
import { ADAPTER_METHODS, type AdapterMethodName } from "../../models/adapters/index.js";

/** How a model is fine-tuned: every weight, an adapter method, or BiDoRA's step rule on DoRA's layer. */
export type Method = "full" | AdapterMethodName | "bidora";

interface MethodFacts {
  /** What is put into the model; undefined if every weight is trained. */
  readonly adapter: AdapterMethodName | undefined;
  /** What the method itself trains in an upper level; undefined unless `--upper` gives it one. */
  readonly upper: "magnitudes" | undefined;
  readonly about: string;
  /** A learning rate that suits small and base-size encoders. */
  readonly learningRate: number;
}

const adapters = Object.fromEntries(
  Object.entries(ADAPTER_METHODS).map(([name, { about, learningRate }]) => [
    name,
    { adapter: name, upper: undefined, about, learningRate },
  ]),
) as Record<AdapterMethodName, MethodFacts>;

/** Every method by name. */
export const METHODS: Readonly<Record<Method, MethodFacts>> = {
  full: { adapter: undefined, upper: undefined, about: "all weights", learningRate: 5e-5 },
  ...adapters,
  bidora: {
    adapter: "dora",
    upper: "magnitudes",
    about: "DoRA's layer, its magnitudes trained in an upper level",
    learningRate: 1e-3,
  },
};

export const methodNames = Object.keys(METHODS) as readonly Method[];

/** The methods that train an adapter of this kind, its own first. */
export function methodsOf(adapter: string): Method[] {
  return methodNames.filter((name) => METHODS[name].adapter === adapter);
}

/** The methods that use a setting of adapters. */
export function methodsWith(setting: string): Method[] {
  return methodNames.filter((name) => {
    const { adapter } = METHODS[name];
    return adapter !== undefined && setting in ADAPTER_METHODS[adapter].options;
  });
}

export function withMethods(...methods: readonly Method[]): AppliesWhen {
  return {
    only: `with --method ${alternatives(methods)}`,
    holds: ({ method }: { method?: Method }) => methods.includes(method!),
  };
}

/** With the methods that keep a model's matrices as they are. */
export const withFrozenMatrices: AppliesWhen = {
  only: "with frozen weight matrices, so with every --method except full",
  holds: ({ method }: { method?: Method }) => method === undefined || METHODS[method].adapter !== undefined,
};

/** The default learning rate. Preferences are learned at low rates, as in TRL. */
export function usualRate(method: Method, task: string | undefined): number {
  const { adapter, learningRate } = METHODS[method];
  if (task !== "preference") return learningRate;
  return adapter === undefined ? PREFERENCES.full : learningRate / PREFERENCES.dividedBy;
}

const PREFERENCES = { full: 1e-6, dividedBy: 200 };

/** The default learning rates: LoRA's, and those of the methods that differ. */
export function learningRates(): string {
  const common = METHODS.lora.learningRate;
  const others = methodNames.filter((name) => METHODS[name].learningRate !== common);
  const named = others.map((name) => `${name}: ${METHODS[name].learningRate.toExponential()}`);
  return [common.toExponential(), ...named].join("; ");
}
