// The competitors of a comparison: methods, some with additional settings.
import { didYouMean, firstRepeated, own, UsageError } from "../../../base/index.js";
import { type Method, methodNames, methodsWith, type RunSettings, runOptions } from "../../../tasks/config/index.js";

/** A competitor in a comparison: a method, possibly with additional settings. */
export interface Variant {
  /** The name in tables and folders. */
  readonly name: string;
  readonly method: Method;
  /** The additional settings; a file's settings take precedence. */
  readonly settings: RunSettings;
  /** The names under which a file can have settings for it, its method first and its own name last. */
  readonly names: readonly string[];
  /** Stops early on held-out rows, the same that BiDoRA's upper level uses. */
  readonly stopsEarly: boolean;
}

/** A competitor that a file defines: a method or variant with a name and settings of its own. */
export interface DefinedMethod {
  readonly name: string;
  /** The name of the method, or of one of bidora's variants. */
  readonly method: string;
  readonly settings: RunSettings;
}

/** Evaluations without a better result after which a run with early stopping stops. */
const PATIENCE = 3;
/** The number of folds of `bidora-folds`. */
const FOLDS = 5;

/** The suffix for early stopping on the rows that BiDoRA's upper level uses: the fair competitor of BiDoRA, available for every method. */
export const EARLY = "+es";

const OF_BIDORA: Readonly<Record<string, RunSettings>> = {
  "bidora-folds": { searchFolds: FOLDS },
  "bidora-warm": { warmStart: true },
};

const KNOWN: readonly string[] = [...methodNames, ...Object.keys(OF_BIDORA)];

/** The starts of low-rank updates that a name can have after a `+`, as `lora+pissa`. */
const STARTS = (runOptions.initLoraWeights.words ?? []).filter((start) => start !== runOptions.initLoraWeights.default);

/** The methods with each start. */
const STARTED: readonly string[] = methodsWith("initLoraWeights").flatMap((method) =>
  STARTS.map((start) => `${method}+${start}`),
);

export const variantNames: readonly string[] = [...KNOWN, ...STARTED].flatMap((name) => [name, `${name}${EARLY}`]);

/** The variants with these names. @param defined by the file @throws UsageError for an unknown or repeated name */
export function variantsOf(names: readonly string[], defined: readonly DefinedMethod[] = []): Variant[] {
  const twice = firstRepeated(names);
  if (twice !== undefined) throw new UsageError(`--methods names ${twice} twice: name each method once.`);
  return names.map((name) => variantOf(name, defined));
}

/** The variant with this name; undefined if there is none. */
export function variantNamed(name: string, defined: readonly DefinedMethod[] = []): Variant | undefined {
  try {
    return variantOf(name, defined);
  } catch {
    return undefined;
  }
}

function variantOf(name: string, defined: readonly DefinedMethod[]): Variant {
  const stopsEarly = name.endsWith(EARLY);
  const base = stopsEarly ? name.slice(0, -EARLY.length) : name;
  const definition = defined.find((one) => one.name === base);
  if (definition) return definedVariant(name, definition, stopsEarly);
  const start = startIn(base);
  const stem = start === undefined ? base : base.slice(0, -start.length - 1);
  const ofBidora = own(OF_BIDORA, stem);
  const method = ofBidora ? "bidora" : stem;
  const takesIt = (start === undefined ? methodNames : methodsWith("initLoraWeights")) as readonly string[];
  if (!takesIt.includes(method)) throw unknownVariant(name, base, defined);
  const early = stopsEarly ? { earlyStopping: PATIENCE, earlyStoppingMetric: "loss" } : {};
  const started = start === undefined ? {} : ({ initLoraWeights: start } as RunSettings);
  const names = [...new Set([method, stem, base, name])];
  return { name, method: method as Method, settings: { ...ofBidora, ...started, ...early }, names, stopsEarly };
}

/** The start that a name ends in. */
const startIn = (name: string): string | undefined => STARTS.find((start) => name.endsWith(`+${start}`));

function unknownVariant(name: string, base: string, defined: readonly DefinedMethod[]): UsageError {
  const known = [...defined.map((one) => one.name), ...KNOWN];
  return new UsageError(
    `--methods takes ${known.join(", ")}, ${methodsWith("initLoraWeights").join(", ")} with a start (${STARTS.map((start) => `+${start}`).join(", ")}), each with ${EARLY} for early stopping; got ${name}.${didYouMean(base, [...known, ...STARTED])}`,
  );
}

function definedVariant(name: string, { name: base, method }: DefinedMethod, stopsEarly: boolean): Variant {
  if (stopsEarly && method.endsWith(EARLY))
    throw new UsageError(`${base} is ${method}, which stops early by itself: write ${base} in place of ${name}.`);
  const of = variantOf(stopsEarly ? `${method}${EARLY}` : method, []);
  return { ...of, name, names: [...new Set([...of.names, base, name])] };
}
