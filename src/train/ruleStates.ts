import { z } from "zod";

export const count = z.int().min(0);

/** How far the batches of some rows have been walked through. */
const position = z.object({ pass: count, index: count });

/** What a rule of one level saves beside tensors. */
export const plainState = z.object({ steps: count, batches: position });

/** The same of a search. */
export const bilevelState = z.object({
  lower: count,
  upper: count,
  lowerBatches: position,
  upperBatches: position,
  /** Where the losses of passes over the upper rows are told. */
  upperPass: z.object({ sum: z.number(), weight: z.number().min(0) }).optional(),
});

export type PlainState = z.infer<typeof plainState>;
export type BilevelState = z.infer<typeof bilevelState>;
