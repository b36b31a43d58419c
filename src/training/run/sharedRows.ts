/** Rows that several splits of a run have in common: their number, and what must not be chosen by them. */
import { formatCount, stopsByValidation, UsageError } from "../../base/index.js";
import type { RowRecord } from "../../base/records/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import { countShared, keysOfSplits, sampleOf } from "../../tasks/data/index.js";
import type { Splits, TaskChoice } from "../../tasks/datasets/index.js";

/** The keys of a run's rows, by split. Training rows that are held out, or are the upper level's, are training rows here. */
export interface RowKeys {
  readonly train: readonly string[];
  readonly validation: readonly string[] | undefined;
  readonly test: readonly string[] | undefined;
}

export function rowKeysOf({ train, upper, holdout, validation, test }: Splits): RowKeys {
  const splits = [train, upper, holdout, validation, test];
  const [ofTrain = [], ofUpper = [], ofHoldout = [], ofValidation, ofTest] = keysOfSplits(
    splits.map((split) => split?.examples ?? []),
  );
  return {
    train: [...ofTrain, ...ofUpper, ...ofHoldout],
    validation: validation && ofValidation,
    test: test && ofTest,
  };
}

export function recordOf({ train, validation, test }: RowKeys): RowRecord {
  const recorded = (keys: readonly string[]) => ({ rows: keys.length, keys: sampleOf(keys) });
  return {
    train: recorded(train),
    ...(validation && { validation: recorded(validation) }),
    ...(test && { test: recorded(test) }),
  };
}

/** Rows that occur in two splits. */
export interface Overlap {
  /** What is reported on the rows in question. */
  readonly reported: "validation" | "test";
  /** How many of the reported rows there are, and how many of them the other split has. */
  readonly rows: number;
  readonly shared: number;
}

/** The rows of a split that results are reported on, of which another split has some; undefined if it has none. */
export function overlapOf(
  keys: RowKeys,
  reported: Overlap["reported"],
  other: "train" | "validation",
): Overlap | undefined {
  const [own = [], others = []] = [keys[reported], keys[other]];
  const shared = countShared(own, others);
  return shared === 0 ? undefined : { reported, rows: own.length, shared };
}

/** `8 of the 400 test rows` */
export const overlapText = ({ reported, rows, shared }: Overlap): string =>
  `${formatCount(shared)} of the ${formatCount(rows)} ${reported} rows`;

/**
 * The share of reported rows that a choice may see. Short texts are often repeated, so that random parts of a file share some: of a tenth or
 * a fifth of SMS messages up to 5 % are in another part of this size, and a tenth is in the rest, which is trained on anyway.
 */
const TOLERATED = { validation: 0.05, train: 0.5 } as const;

/**
 * Whether results on the rows would be those of a choice that was made by them. The splits of a published data set are taken as published.
 * @param chosenBy the other split of the overlap
 */
export const isLeak = ({ rows, shared }: Overlap, chosenBy: keyof typeof TOLERATED, isPublished: boolean): boolean =>
  !isPublished && shared > TOLERATED[chosenBy] * rows;

/** Whether all rows of a run are those of a named data set. */
export const isPublished = (
  { dataset }: Pick<TaskChoice, "dataset">,
  { train, validation, test }: Pick<RunConfig, "train" | "validation" | "test">,
): boolean => dataset !== undefined && [train, validation, test].every((file) => file === undefined);

/** Notes on evaluated rows that are trained on. */
export const trainedNotes = (keys: RowKeys): string[] =>
  (["validation", "test"] as const).flatMap((reported) => {
    const overlap = overlapOf(keys, reported, "train");
    return overlap ? `${overlapText(overlap)} are also training rows: scores on them are not scores on new rows.` : [];
  });

/**
 * Checks that early stopping does not choose by rows that the result is reported on.
 * @returns notes on rows that splits have in common
 * @throws UsageError if validation rows that choose are test rows as well
 */
export function checkSharedRows(keys: RowKeys, config: RunConfig, choice: Pick<TaskChoice, "dataset">): string[] {
  const overlap = stopsByValidation(config) ? overlapOf(keys, "test", "validation") : undefined;
  if (!overlap) return trainedNotes(keys);
  if (isLeak(overlap, "validation", isPublished(choice, config)))
    throw new UsageError(
      `--early-stopping would choose by the validation rows, but ${overlapText(overlap)} are among them, so that the test score would be that of the choice: remove these rows from --validation, or set --holdout-fraction to choose by held-out training rows.`,
    );
  return [
    ...trainedNotes(keys),
    `${overlapText(overlap)} are also validation rows, by which --early-stopping chooses.`,
  ];
}
