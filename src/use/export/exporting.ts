// What the exports of all formats have in common.
import { UsageError } from "../../base/index.js";
import type { AdaptedModel, ModuleError } from "../../models/adapters/index.js";
import { refuseBadWeights } from "../../models/index.js";

/** The model to write, and where. */
export interface ModelToExport {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  readonly output?: string | undefined;
  readonly overwrite: boolean;
}

/** What was written, and a sentence about its contents. */
export interface Exported {
  readonly path: string;
  readonly note: string;
  /** For an adapter, the relative error of the exported change of the weights. */
  readonly relativeError?: number;
}

/** @throws UsageError without an adapter */
export function requireAdapter({ adapter }: ModelToExport): void {
  if (adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to export.");
}

/** @throws BidoraError for an adapted matrix of the base model, in `folder`, that is not finite */
export function refuseBadMatrices(folder: string, { modules }: AdaptedModel): void {
  const weights = modules.map(({ path, layer }) => [`${path}.weight`, layer.weight.values] as const);
  refuseBadWeights({ folder, weights });
}

/** The error of approximating an adapter's change of the weights by low-rank updates. */
interface LossOfRank {
  readonly modules: readonly ModuleError[];
  /** Over all modules together. */
  readonly relativeError: number;
}

export function describeLoss({ modules, relativeError }: LossOfRank): string {
  const worst = modules.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  const rank = Math.max(...modules.map((module) => module.rank));
  if (relativeError === 0) return `Rank ${rank}: the change of the weights is kept exactly.`;
  return (
    `Rank ${rank}: the change of the weights is kept with a relative error of ${relativeError.toPrecision(3)} overall, ` +
    `at most ${worst.relativeError.toPrecision(3)} (${worst.path}).`
  );
}
