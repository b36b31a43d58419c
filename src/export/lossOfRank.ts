import type { ModuleError } from "../adapters/index.js";

/** What of an adapter's change of the weights is lost in updates of low rank. */
export interface LossOfRank {
  readonly modules: readonly ModuleError[];
  /** Of all modules together. */
  readonly relativeError: number;
}

/** The same in a sentence. */
export function describeLoss({ modules, relativeError }: LossOfRank): string {
  const worst = modules.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  const rank = Math.max(...modules.map((module) => module.rank));
  if (relativeError === 0) return `Rank ${rank}: the change of the weights is kept as it is.`;
  return (
    `Rank ${rank}: the change of the weights is kept with a relative error of ${relativeError.toPrecision(3)} in all, ` +
    `at most ${worst.relativeError.toPrecision(3)} (${worst.path}).`
  );
}
