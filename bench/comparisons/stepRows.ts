// Rows that compare the time and memory of training steps, and the sides behind them.

import { before, type Cell, type Context, own, peft } from "../context.js";
import { type Goal, mebibytes, milliseconds, type Row, single } from "../rows.js";
import { faster, type Measured, ratio } from "../turns/compare.js";
import type { OwnSpec, PeerPrecision, PeerSpec } from "../turns/protocol.js";

/** A row without its figures. */
export type Place = Pick<Row, "what" | "against"> & { readonly setting: string; readonly goal?: Goal };

/** Our speedup over theirs. */
export function speed({ setting, goal, ...place }: Place, ours: Measured, theirs: Measured): Row {
  const figures = { ours: milliseconds(ours), theirs: milliseconds(theirs) };
  return { ...place, ...figures, setting, goal, ratio: ratio(theirs, ours) };
}

/** Our time as a multiple of a base time. */
export function cost({ setting, goal, ...place }: Place, ours: Measured, base: Measured): Row {
  const figures = { ours: milliseconds(ours), theirs: milliseconds(base) };
  return { ...place, ...figures, setting, goal, ratio: ratio(ours, base) };
}

export function memory({ setting, goal, ...place }: Place, ours: Measured, theirs: Measured): Row {
  const figures = { ours: mebibytes(ours), theirs: mebibytes(theirs) };
  const share = ours.memory.peakMiB / theirs.memory.peakMiB;
  return { ...place, ...figures, setting, goal, ratio: single(share) };
}

/** A row of a side that fails. */
export function failure({ setting, goal, ...place }: Place, ours: Measured, { message }: Error): Row {
  const theirs = `fails: ${message.trim().split("\n").at(-1)?.replaceAll("|", "/").slice(0, 160)}`;
  return { ...place, setting, goal, ours: milliseconds(ours), theirs, ratio: undefined };
}

/** PEFT in each of its precisions. */
export function peftSides(context: Context, cell: Cell, method: "lora" | "dora", options: Partial<PeerSpec> = {}) {
  const side = (precision: PeerPrecision) => peft(context, cell, { task: "train", method, precision }, options);
  return { autocast: side("bfloat16-autocast"), weights: side("bfloat16-weights"), float32: side("float32") };
}

/** In float32 only where that may be the fastest. */
type PeftMeasured = Readonly<Record<"autocast" | "weights", Measured>> & { readonly float32?: Measured };

/** A row against PEFT's fastest precision, which the goal is for; and, if that is not autocast, a row against autocast, which most PEFT users choose. */
export function peftRows(
  place: Omit<Place, "against">,
  ours: Measured,
  { autocast, weights, float32 }: PeftMeasured,
): Row[] {
  const { goal, ...rest } = place;
  const best = faster(autocast, weights, ...(float32 ? [float32] : []));
  const name = best === autocast ? "bfloat16 autocast" : best === weights ? "bfloat16 weights" : "float32";
  const fastest = speed({ ...rest, against: `PEFT at its fastest: ${name}`, ...(goal && { goal }) }, ours, best);
  return best === autocast
    ? [fastest]
    : [fastest, speed({ ...rest, against: "PEFT, bfloat16 autocast" }, ours, autocast)];
}

export const BEFORE = "the previous build";

/** The same configuration in this build and, with `--before`, in the other. */
export function bothBuilds(
  context: Context,
  cell: Cell,
  choice: Parameters<typeof own>[2],
  options: Partial<OwnSpec> = {},
) {
  const ours = own(context, cell, choice, options);
  const other = before(context, ours);
  return { ours, ...(other && { before: other }) };
}

export function sinceBefore(
  { goals }: Context,
  place: Omit<Place, "against">,
  ours: Measured,
  theirs: Measured,
): Row[] {
  return [
    speed({ ...place, against: BEFORE, goal: goals.before.others }, ours, theirs),
    memory({ ...place, what: `${place.what}: peak memory`, against: BEFORE, goal: goals.before.memory }, ours, theirs),
  ];
}
