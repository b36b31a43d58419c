import { z } from "zod";

export const count = z.int().min(0);

/** A place in the batches of some rows. */
const place = z.object({ pass: count, index: count });

/** What a rule of one level saves beside tensors. */
export const plainState = z.object({ steps: count, batches: place });

/** The same of a search. */
export const bilevelState = z.object({ lower: count, upper: count, lowerBatches: place, upperBatches: place });

export type PlainState = z.infer<typeof plainState>;
export type BilevelState = z.infer<typeof bilevelState>;
