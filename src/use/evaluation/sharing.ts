// Work that ranks divide besides training steps: evaluation.
import { BidoraError, type ErrorParts } from "../../base/index.js";
import type { Ending } from "../../torch/distributed/index.js";
import type { Ranks } from "../../torch/index.js";

/** The ranks that divide work among them, and the signal that can end their run during it. */
export interface Sharing {
  readonly ranks: Ranks;
  readonly ending?: Ending | undefined;
}

/** This rank's items of a list: every N-th, for N ranks. */
export const shareOfItems = <T>(items: readonly T[], { ranks }: Sharing): readonly T[] =>
  items.filter((_, i) => i % ranks.size === ranks.rank);

/** The i-th item of a list whose items the ranks hold as `shareOfItems` divides them. */
export const itemOf = <T>(shares: readonly (readonly T[])[], i: number): T =>
  shares[i % shares.length]?.[Math.floor(i / shares.length)] as T;

interface Attempt<T> {
  readonly value?: T;
  readonly failure?: { readonly code: string; readonly parts: ErrorParts };
}

/**
 * Does this rank's share of some work, and returns what each rank has made of its own, in the order of the ranks.
 * @param work ends early, with an error, where the run's signal aborts
 * @throws on all ranks the error of the first rank that failed, or the reason of an abort on any
 */
export async function sharedOut<T>({ ranks, ending }: Sharing, work: () => Promise<T>): Promise<readonly T[]> {
  if (ranks.size === 1) return [await work()];
  let own: Attempt<T>;
  let thrown: unknown;
  try {
    own = { value: await work() };
  } catch (error) {
    thrown = error;
    own = ending?.given.aborted ? {} : { failure: failureOf(error) };
  }
  const all = ranks.gather(own);
  const failed = all.findIndex(({ failure }) => failure);
  const failure = all[failed]?.failure;
  if (failure) throw failed === ranks.rank ? thrown : new BidoraError(failure.code, failure.parts);
  ending?.throwIfOver();
  return all.map(({ value }) => value as T);
}

function failureOf(error: unknown): NonNullable<Attempt<never>["failure"]> {
  if (error instanceof BidoraError) return { code: error.code, parts: error.parts };
  return { code: "UNEXPECTED", parts: { finding: error instanceof Error ? error.message : String(error) } };
}
