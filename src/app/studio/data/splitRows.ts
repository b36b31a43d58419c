/** Which rows are for training, validation and test, and the files of each. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { BidoraError, shuffler } from "../../../base/index.js";
import { writeAll } from "../../../base/records/index.js";
import { FLAG, type Flag, type IndexData } from "./indexData.js";
import { linesOf } from "./lines.js";

export const PARTS = ["train", "validation", "test"] as const;
export type Part = (typeof PARTS)[number];

export interface SplitPlan {
  /** Shares of the rows that are kept, from 0 to below 1. */
  readonly validation: number;
  readonly test: number;
  readonly seed: number;
  /** The faults whose rows are left out. */
  readonly remove: readonly Flag[];
}

/** In place of the number of a part. */
const LEFT_OUT = 3;

/**
 * The part of each row, as a number in `PARTS`, or 3 for one that is left out. Rows with the same input are in one part. Of each label as many
 * rows are in a part as its share says, rounded so that all labels together have their share.
 * @throws BidoraError `STUDIO` if a part would have no rows
 */
export function assignRows(index: IndexData, { validation, test, seed, remove }: SplitPlan): Uint8Array {
  const isKept = keptRows(index, remove);
  const sizes = groupSizes(index, isKept);
  const partOf = new Uint8Array(sizes.length);
  const shares = [1 - validation - test, validation, test];
  const shuffle = shuffler(seed, 0);
  // How many rows each part has too few of, over the labels so far.
  const owed = [0, 0, 0];
  for (const groups of strata(index, isKept)) {
    const total = groups.reduce((sum, group) => sum + sizes[group]!, 0);
    for (const part of owed.keys()) owed[part]! += shares[part]! * total;
    for (const group of shuffle(groups)) {
      const part = owed.indexOf(Math.max(...owed));
      partOf[group] = part;
      owed[part]! -= sizes[group]!;
    }
  }
  const parts = index.first.reduce((all, group, row) => {
    all[row] = isKept[row] ? partOf[group]! : LEFT_OUT;
    return all;
  }, new Uint8Array(partOf.length));
  checkParts(parts, shares);
  return parts;
}

/** Which rows are kept, as 0 and 1. Of rows with the same input that could be kept the first one is. */
function keptRows({ flags, first }: IndexData, remove: readonly Flag[]): Uint8Array {
  const withoutRepeats = remove.includes("duplicate");
  const mask = remove.reduce((sum, name) => (name === "duplicate" ? sum : sum | FLAG[name]), 0);
  const isTaken = new Uint8Array(flags.length);
  const isKept = new Uint8Array(flags.length);
  for (let row = 0; row < flags.length; row++) {
    if ((flags[row]! & mask) !== 0 || (withoutRepeats && isTaken[first[row]!])) continue;
    isTaken[first[row]!] = 1;
    isKept[row] = 1;
  }
  return isKept;
}

/** How many kept rows have the same input as a row, by that row, the first of them. */
function groupSizes({ first }: IndexData, isKept: Uint8Array): Uint32Array {
  const sizes = new Uint32Array(first.length);
  for (let row = 0; row < first.length; row++) if (isKept[row]) sizes[first[row]!]!++;
  return sizes;
}

/** The groups of rows with the same input, by the label of their first row that is kept. */
function strata({ first, labels, hasManyLabels }: IndexData, isKept: Uint8Array): readonly number[][] {
  const strata = new Map<number, number[]>();
  const isSeen = new Uint8Array(first.length);
  for (let row = 0; row < first.length; row++) {
    const group = first[row]!;
    if (!isKept[row] || isSeen[group]) continue;
    isSeen[group] = 1;
    const label = hasManyLabels ? 0 : labels[row]!;
    const groups = strata.get(label);
    if (groups) groups.push(group);
    else strata.set(label, [group]);
  }
  return [...strata.values()];
}

function checkParts(parts: Uint8Array, shares: readonly number[]): void {
  const counts = countParts(parts);
  for (const [i, part] of PARTS.entries())
    if (shares[i]! > 0 && counts[part] === 0)
      throw new BidoraError(
        "STUDIO",
        `The ${part} rows would be none: there are too few rows, or too many equal ones, for this share.`,
      );
}

/** How many rows each part has, and how many are left out. */
export function countParts(parts: Uint8Array): Readonly<Record<Part | "leftOut", number>> {
  const counts = [0, 0, 0, 0];
  for (const part of parts) counts[part]!++;
  return { train: counts[0]!, validation: counts[1]!, test: counts[2]!, leftOut: counts[LEFT_OUT]! };
}

export interface SplitJob {
  readonly kind: "split";
  readonly path: string;
  readonly index: IndexData;
  readonly plan: SplitPlan;
  /** A file for each part with a share. */
  readonly targets: Readonly<Partial<Record<Part, string>>>;
}

export type SplitCounts = ReturnType<typeof countParts>;

/** Writes the rows of each part as they are, in the order of the file. */
export function splitRows({ path, index, plan, targets }: SplitJob, onShare: (share: number) => void): SplitCounts {
  const parts = assignRows(index, plan);
  const files = PARTS.map((part) => (targets[part] === undefined ? undefined : openSync(targets[part], "wx")));
  try {
    let row = 0;
    for (const { texts, share } of linesOf(path)) {
      const pieces: string[][] = PARTS.map(() => []);
      for (const text of texts) pieces[parts[row++]!]?.push(text);
      for (const [i, piece] of pieces.entries())
        if (piece.length > 0 && files[i] !== undefined) writeAll(files[i], Buffer.from(`${piece.join("\n")}\n`));
      onShare(share);
    }
    for (const file of files) if (file !== undefined) fsyncSync(file);
  } finally {
    for (const file of files) if (file !== undefined) closeSync(file);
  }
  return countParts(parts);
}
