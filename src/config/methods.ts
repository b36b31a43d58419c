import { ADAPTER_METHODS, type AdapterMethodName, type MethodSetting } from "../adapters/index.js";

/** How a model is fine-tuned: every weight, an adapter method, or BiDoRA's step rule on DoRA's layer. */
export type Method = "full" | AdapterMethodName | "bidora";

interface MethodFacts {
  /** What is put into the model; undefined where every weight is trained. */
  readonly adapter: AdapterMethodName | undefined;
  /** Trained in two levels: directions below, magnitudes above. */
  readonly isBilevel: boolean;
  readonly about: string;
  /** A learning rate that suits small and base-size encoders. */
  readonly learningRate: number;
}

const adapters = Object.fromEntries(
  Object.entries(ADAPTER_METHODS).map(([name, { about, learningRate }]) => [
    name,
    { adapter: name, isBilevel: false, about, learningRate },
  ]),
) as Record<AdapterMethodName, MethodFacts>;

/** Every method by name. */
export const METHODS: Readonly<Record<Method, MethodFacts>> = {
  full: { adapter: undefined, isBilevel: false, about: "all weights", learningRate: 5e-5 },
  ...adapters,
  bidora: {
    adapter: "dora",
    isBilevel: true,
    about: "DoRA's layer, its magnitudes trained in an upper level",
    learningRate: 1e-3,
  },
};

export const methodNames = Object.keys(METHODS) as readonly Method[];

/** The methods that train an adapter of this kind, its own first. */
export function methodsOf(adapter: string): Method[] {
  return methodNames.filter((name) => METHODS[name].adapter === adapter);
}

/** The methods in which a setting has an effect. */
export function methodsWith(setting: MethodSetting): Method[] {
  return methodNames.filter((name) => {
    const { adapter } = METHODS[name];
    return adapter !== undefined && ADAPTER_METHODS[adapter].settings.includes(setting);
  });
}

/** BiDoRA's learning rate, and by name those that differ from it. */
export function learningRates(): string {
  const common = METHODS.bidora.learningRate;
  const others = methodNames.filter((name) => METHODS[name].learningRate !== common);
  const named = others.map((name) => `${name}: ${METHODS[name].learningRate.toExponential()}`);
  return [common.toExponential(), ...named].join("; ");
}
