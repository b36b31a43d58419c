/** What an upper level can train: the groups of `--upper`. */

import { UsageError } from "../../base/index.js";
import { type AppliesWhen, alternatives } from "../../base/settings/index.js";
import type { OptimizerName } from "../../torch/optim/index.js";
import { METHODS, type Method, methodNames } from "./methods.js";

interface UpperGroupFacts {
  /** The methods that train such a group. */
  readonly methods: readonly Method[];
  /** For the documentation. */
  readonly about: string;
  /** The default learning rate of the upper level, if it is not the lower level's. */
  readonly learningRate?: number;
  /** Its gradient has a formula of its own, so there is no estimator to choose. */
  readonly isExplicit?: true;
  /** The upper level's loss depends on it through the lower level alone: without a second term its gradient would be 0. */
  readonly isIndirect?: true;
  /** The upper level's optimizer, if it is not the run's. */
  readonly optimizer?: OptimizerName;
}

const all = methodNames;

/** Every group by name (docs/method.md, "A second level over anything"). */
export const UPPER_GROUPS = {
  magnitudes: { methods: ["dora", "bidora"], about: "the magnitudes `m`: BiDoRA" },
  scales: { methods: ["lora", "dora"], about: "a factor of `BA` for each matrix, from 1" },
  "lora-b": { methods: ["lora", "dora", "prediag"], about: "`B`" },
  prediag: { methods: ["prediag"], about: "the diagonals `d`" },
  vera: { methods: ["vera"], about: "`λ_b` and `λ_d`" },
  ia3: { methods: ["ia3"], about: "the vectors `l`" },
  adalora: { methods: ["adalora"], about: "`E`" },
  delora: { methods: ["delora"], about: "`λ` of each matrix" },
  bias: { methods: ["bitfit", "full"], about: "the biases that the method trains, without the head's" },
  norms: { methods: ["full", "adapter"], about: "the norms that the method trains" },
  head: { methods: all, about: "the head" },
  decay: {
    methods: all,
    about: "a weight decay for each group of tensors",
    learningRate: 0.05,
    isExplicit: true,
    isIndirect: true,
    optimizer: "adamw",
  },
  sources: { methods: all, about: "a weight for each source of training rows", learningRate: 0.05, isIndirect: true },
} satisfies Readonly<Record<string, UpperGroupFacts>>;

/** What the upper level of a search trains. */
export type UpperGroup = keyof typeof UPPER_GROUPS;

export const upperGroupNames = Object.keys(UPPER_GROUPS) as [UpperGroup, ...UpperGroup[]];

export const upperFacts = (group: UpperGroup): UpperGroupFacts => UPPER_GROUPS[group];

/** The settings that tell whether a run has two levels. */
export type LevelSettings = { readonly method?: Method | undefined; readonly upper?: UpperGroup | undefined };

/** What the upper level of a run trains; undefined for a run with one level. */
export const upperOf = ({ method, upper }: LevelSettings): UpperGroup | undefined =>
  upper ?? (method && METHODS[method].upper);

/** Whether a run divides its training rows between two levels. */
export const dividesRows = ({
  upperTrain,
  ...run
}: LevelSettings & { readonly upperTrain?: string | undefined }): boolean =>
  upperOf(run) !== undefined && upperTrain === undefined;

/** The optimizer of a run's upper level. */
export function upperOptimizer(run: LevelSettings & { readonly optimizer: OptimizerName }): OptimizerName {
  const group = upperOf(run);
  return (group && upperFacts(group).optimizer) ?? run.optimizer;
}

/** In runs with two levels, except those with certain groups. */
export function withTwoLevels(isExcepted: (facts: UpperGroupFacts) => boolean = () => false): AppliesWhen {
  const excepted = upperGroupNames.filter((group) => isExcepted(upperFacts(group)));
  return {
    only: `with --method bidora or --upper${excepted.length > 0 ? `, except --upper ${alternatives(excepted)}` : ""}`,
    holds: (run: LevelSettings) => {
      const group = upperOf(run);
      return group !== undefined && !excepted.includes(group);
    },
  };
}

/** In runs whose upper level trains the magnitudes, and in those of DoRA with one level. */
export const withRegularizer: AppliesWhen = {
  only: "with --method bidora, --upper magnitudes, or --method dora without --upper",
  holds: (run: LevelSettings) => upperOf(run) === "magnitudes" || (run.method === "dora" && !run.upper),
};

/** @throws UsageError if the method does not train the group */
export function checkUpper({ method, upper }: LevelSettings): void {
  if (method === undefined || upper === undefined) return;
  if (METHODS[method].upper !== undefined && METHODS[method].upper !== upper)
    throw new UsageError(
      `--upper ${upper} does not go with --method ${method}, whose upper level trains the ${METHODS[method].upper}: use --method ${METHODS[method].adapter}.`,
    );
  const { methods } = upperFacts(upper);
  if (methods.includes(method)) return;
  throw new UsageError(
    `--upper ${upper} does not go with --method ${method}, which trains nothing of the kind: use it with --method ${alternatives(methods)}, or choose another group.`,
  );
}

/** @throws UsageError if trained weight decays would start at 0, whose logarithm is infinite */
export function checkUpperDecay({ upper, weightDecay }: LevelSettings & { readonly weightDecay?: number | undefined }) {
  if (upper !== "decay" || weightDecay !== 0) return;
  throw new UsageError(
    "--upper decay starts from the logarithm of --weight-decay, which is 0 here: give one above 0, such as 0.01.",
  );
}
