import { isNamedDataset } from "../data/named.js";
import { UsageError } from "../errors.js";
import type { Method } from "./methods.js";
import { alternatives, flagOf, type Given, type OptionTable } from "./option.js";

/** The settings on which it depends whether others have an effect. */
export interface Deciding {
  readonly method: Method;
  readonly task?: string | undefined;
  readonly data?: string | undefined;
  readonly train?: string | undefined;
  readonly validation?: string | undefined;
  readonly test?: string | undefined;
  readonly hypergradient: string;
  readonly retrainSteps?: number | undefined;
  readonly retrainEpochs?: number | undefined;
  readonly saveEvery?: number | undefined;
}

/** Where an option has an effect. */
export interface Acts {
  /** Completes the sentence "--xi acts only …". */
  readonly only: string;
  in(run: Deciding): boolean;
}

export function withMethods(...methods: readonly [Method, ...Method[]]): Acts {
  return { only: `with --method ${alternatives(methods)}`, in: ({ method }) => methods.includes(method) };
}

/** A part of what `--method bidora` offers: where else it acts, it says itself. */
function inBidora(only: string, acts: (run: Deciding) => boolean): Acts {
  return { only: `with --method bidora ${only}`, in: (run) => run.method === "bidora" && acts(run) };
}

export const withEstimators = (...names: readonly string[]): Acts =>
  inBidora(`and --hypergradient ${alternatives(names)}`, ({ hypergradient }) => names.includes(hypergradient));

export const withRetraining: Acts = inBidora(
  "and a retrain phase",
  ({ retrainSteps, retrainEpochs }) => retrainSteps !== 0 && retrainEpochs !== 0,
);

export const withoutRetrainSteps: Acts = inBidora(
  "and without --retrain-steps",
  ({ retrainSteps }) => retrainSteps === undefined,
);

/** A file beside it stands in for that part of the data set. */
export const withNamedDataset: Acts = {
  only: "with a named data set as --task, such as glue/mrpc, of which --train or --validation is left to it",
  in: ({ task, train, validation }) => isNamed(task) && (train === undefined || validation === undefined),
};

/** A named data set's own files have columns that are known. */
export const withFiles: Acts = {
  only: "on files of rows, not on a named data set's own",
  in: ({ task, data, train, validation, test }) =>
    !isNamed(task) || data === undefined || [train, validation, test].some((file) => file !== undefined),
};

export const withSaving: Acts = { only: "with --save-every", in: ({ saveEvery }) => saveEvery !== undefined };

const isNamed = (task: string | undefined): boolean => task !== undefined && isNamedDataset(task);

/** Keys of a table that have no effect in the run, of those given. */
export function withoutEffect(table: OptionTable, given: object, run: Deciding): string[] {
  return Object.keys(given).filter((key) => table[key]?.acts?.in(run) === false);
}

/**
 * A setting that changes nothing was meant to: it is refused, not passed over.
 * @param except keys that have an effect all the same
 * @throws UsageError naming each such setting, and where it would act
 */
export function refuseWithoutEffect<Table extends OptionTable>(
  table: Table,
  given: Given<Table>,
  run: Deciding,
  except: readonly (keyof Table)[] = [],
): void {
  const idle = withoutEffect(table, given, run).filter((key) => !except.includes(key));
  if (idle.length === 0) return;
  const named = idle.map((key) => `${flagOf(key)} (acts only ${table[key]?.acts?.only})`);
  throw new UsageError(`No effect in this run: ${named.join(", ")}; leave ${idle.length > 1 ? "them" : "it"} out.`);
}
