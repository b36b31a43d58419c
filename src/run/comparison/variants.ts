import { firstRepeated } from "../../common/collections.js";
import { UsageError } from "../../common/errors.js";
import { didYouMean } from "../../common/messages.js";
import { type Method, methodNames, type RunSettings } from "../../config/index.js";

/** A method as it stands in a comparison: a method, or one with something added that makes it another competitor. */
export interface Variant {
  /** As it is named in tables and folders. */
  readonly name: string;
  readonly method: Method;
  /** What it adds to a run's settings; what a file says of them is stronger. */
  readonly settings: RunSettings;
  /** Stopped early on the rows that BiDoRA's upper level takes: needs to know how often to look. */
  readonly stopsEarly: boolean;
}

/** Evaluations without a better result after which such a run ends. */
const PATIENCE = 3;
/** Folds of BiDoRA's upper level. */
const FOLDS = 5;

/** Early stopping on the same rows is BiDoRA's fair competitor: it is open to every method. */
const EARLY = "+es";

const OF_BIDORA: Readonly<Record<string, RunSettings>> = {
  "bidora-folds": { searchFolds: FOLDS },
  "bidora-warm": { warmStart: true },
};

/** @throws UsageError for a name that is none, or comes twice */
export function variantsOf(names: readonly string[]): Variant[] {
  const twice = firstRepeated(names);
  if (twice !== undefined) throw new UsageError(`--methods names ${twice} twice: name each method once.`);
  return names.map(variantOf);
}

/** Undefined for a name that is none. */
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
  const ofBidora = Object.hasOwn(OF_BIDORA, base) ? OF_BIDORA[base] : undefined;
  const method = ofBidora ? "bidora" : base;
  if (!(methodNames as readonly string[]).includes(method)) {
    const known = [...methodNames, ...Object.keys(OF_BIDORA)];
    throw new UsageError(
      `--methods takes ${known.join(", ")}, each with ${EARLY} for early stopping; got ${name}.${didYouMean(base, known)}`,
    );
  }
  const early = stopsEarly ? { earlyStopping: PATIENCE } : {};
  return { name, method: method as Method, settings: { ...ofBidora, ...early }, stopsEarly };
}
