/** Notes on held-out rows that stand in rows that are trained on. */
import { formatCount } from "../../base/index.js";
import { dividesRows, type RunConfig } from "../../tasks/config/index.js";
import { countNested, type Example, splitForSearch } from "../../tasks/data/index.js";
import { type Splits, textsOfTask } from "../../tasks/datasets/index.js";
import type { Task } from "../../tasks/index.js";

type Rows = readonly Example[];

type HeldOutBy = Pick<
  RunConfig,
  "method" | "upper" | "upperTrain" | "searchFraction" | "searchFolds" | "shuffle" | "seed" | "dataSeed"
>;

/** What `--holdout-groups` did, or why it is of use. */
export function nestedNotes(splits: Splits, config: HeldOutBy, task: Pick<Task, "peftTaskType">): string[] {
  const { train, holdout, groups } = splits;
  if (groups && (holdout || dividesRows(config)))
    return [groupsText(splits, config, task), ...evaluatedNotes(splits, task)];
  if (!holdout) return [];
  const nested = countNested(holdout.examples, train.examples, textsOfTask(task));
  if (nested === 0) return [];
  return [
    `${shareText(nested, holdout.examples.length)} held-out rows are equal to rows that are trained on or stand in them, which makes scores on them too good; --holdout-groups keeps such rows together.`,
  ];
}

/** The splits of the files stay as they are. */
function evaluatedNotes(splits: Splits, task: Pick<Task, "peftTaskType">): string[] {
  const trained = [...splits.train.examples, ...(splits.holdout?.examples ?? [])];
  return (["validation", "test"] as const).flatMap((split) => {
    const rows = splits[split]?.examples ?? [];
    const nested = countNested(rows, trained, textsOfTask(task));
    if (nested === 0) return [];
    return [`${shareText(nested, rows.length)} ${split} rows are equal to training rows or stand in them.`];
  });
}

function groupsText(splits: Splits, config: HeldOutBy, task: Pick<Task, "peftTaskType">): string {
  const { train, holdout, groups } = splits;
  const sizes = new Map<number, number>();
  for (const group of groups!.values()) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const largest = Math.max(...sizes.values());
  const found = `--holdout-groups found ${formatCount(sizes.size)} groups in ${formatCount(groups!.size)} training rows`;
  const parts = holdout ? ([train.examples, holdout.examples] as const) : levelsOf(splits, config);
  if (!parts) return `${found}, the largest of ${formatCount(largest)} rows; the folds are as equal as these allow.`;
  const [kept, held] = parts;
  const [what, left] = [holdout ? "held out" : "the upper level's", countNested(held, kept, textsOfTask(task))];
  const isTooLarge = largest > held.length;
  const size = `the largest of ${formatCount(largest)} rows${isTooLarge ? `, which is more than are ${what}, so it is trained on` : ""}`;
  const rest =
    left === 0 ? "" : ` ${shareText(left, held.length)} stand in the others all the same, as texts of few words.`;
  return `${found}, ${size}; ${shareText(held.length, groups!.size)} rows are ${what}.${rest}`;
}

/** The rows of the levels of a search; undefined for folds. */
function levelsOf(
  { train: { examples }, groups }: Splits,
  { searchFraction: fraction, searchFolds, shuffle, seed, dataSeed }: HeldOutBy,
): readonly [Rows, Rows] | undefined {
  if (searchFolds !== undefined) return undefined;
  const ofRows = examples.map(({ at }) => groups!.get(at)!);
  const { lower, upper } = splitForSearch(examples.length, { fraction, shuffle, seed, dataSeed, groups: ofRows });
  const pick = (indices: readonly number[]) => indices.map((index) => examples[index]!);
  return [pick(lower), pick(upper)];
}

/** `11,610 of the 13,470 (86 %)` */
const shareText = (some: number, all: number): string =>
  `${formatCount(some)} of the ${formatCount(all)} (${Number(((100 * some) / all).toPrecision(3))} %)`;
