// The competitors of a comparison: methods, some with additional settings.
import { didYouMean, firstRepeated, own, UsageError } from "../../../base/index.js";
import { type Method, methodNames, type RunSettings } from "../../../tasks/config/index.js";

/** A competitor in a comparison: a method, possibly with additional settings. */
export interface Variant {
  /** The name in tables and folders. */
  readonly name: string;
  readonly method: Method;
  /** The additional settings; a file's settings take precedence. */
  readonly settings: RunSettings;
  /** Stops early on held-out rows, the same that BiDoRA's upper level uses. */
  readonly stopsEarly: boolean;
}

/** Evaluations without a better result after which a run with early stopping stops. */
const PATIENCE = 3;
/** The number of folds of `bidora-folds`. */
const FOLDS = 5;

/** The suffix for early stopping on the rows that BiDoRA's upper level uses: the fair competitor of BiDoRA, available for every method. */
const EARLY = "+es";

const OF_BIDORA: Readonly<Record<string, RunSettings>> = {
  "bidora-folds": { searchFolds: FOLDS },
  "bidora-warm": { warmStart: true },
};

export const variantNames: readonly string[] = [...methodNames, ...Object.keys(OF_BIDORA)].flatMap((name) => [
  name,
  `${name}${EARLY}`,
]);

/** The variants with these names. @throws UsageError for an unknown or repeated name */
export function variantsOf(names: readonly string[]): Variant[] {
  const twice = firstRepeated(names);
  if (twice !== undefined) throw new UsageError(`--methods names ${twice} twice: name each method once.`);
  return names.map(variantOf);
}

/** The variant with this name; undefined if there is none. */
export function variantNamed(name: string): Variant | undefined {
  try {
    return variantOf(name);
  } catch {
    return undefined;
  }
}

function variantOf(name: string): Variant {
  const stopsEarly = name.endsWith(EARLY);
  const base = stopsEarly ? name.slice(0, -EARLY.length) : name;
  const ofBidora = own(OF_BIDORA, base);
  const method = ofBidora ? "bidora" : base;
  if (!(methodNames as readonly string[]).includes(method)) {
    const known = [...methodNames, ...Object.keys(OF_BIDORA)];
    throw new UsageError(
      `--methods takes ${known.join(", ")}, each with ${EARLY} for early stopping; got ${name}.${didYouMean(base, known)}`,
    );
  }
  const early = stopsEarly ? { earlyStopping: PATIENCE, earlyStoppingMetric: "loss" } : {};
  return { name, method: method as Method, settings: { ...ofBidora, ...early }, stopsEarly };
}
