// Several ranks in one process.
import * as torch from "../../src/torch/index.js";

/** Where a rank waits for the others: the number of the collective, and what it gives. */
class Waits extends Error {
  constructor(
    readonly collective: number,
    readonly given: unknown,
  ) {
    super("waits");
  }
}

/**
 * Runs `body` as each of `size` ranks. Where ranks would wait for each other, they begin again once all have come there, so `body` must do
 * the same each time.
 * @throws Error where a rank leaves out a collective that another enters
 */
export function together<T>(size: number, body: (ranks: torch.Ranks) => T): T[] {
  const met: (readonly unknown[])[] = [];
  for (;;) {
    const found = Array.from({ length: size }, (_, rank) => attempt(() => body(rankOf(rank, size, met))));
    const waiting = found.filter((one) => one instanceof Waits);
    if (waiting.length === 0) return found as T[];
    if (waiting.length < size || waiting.some(({ collective }) => collective !== met.length))
      throw new Error(`After ${met.length} collectives, ${waiting.length} of ${size} ranks enter another one.`);
    met.push(waiting.map(({ given }) => given));
  }
}

function attempt<T>(body: () => T): T | Waits {
  try {
    return body();
  } catch (error) {
    if (error instanceof Waits) return error;
    throw error;
  }
}

function rankOf(rank: number, size: number, met: readonly (readonly unknown[])[]): torch.Ranks {
  let next = 0;
  const meet = <V>(given: V): readonly V[] => {
    const all = met[next];
    if (!all) throw new Waits(next, given);
    next += 1;
    return all as readonly V[];
  };
  const sum: torch.Ranks["sum"] = (tensors) => {
    const all = meet(tensors.map((tensor) => tensor.toArray()));
    return tensors.map(({ shape, dtype, device }, i) => {
      const parts = all.map((values) => torch.tensor(values[i] as number[], shape, dtype, device));
      return torch.noGrad(() => parts.reduce((total, part) => torch.add(total, part)));
    });
  };
  return {
    ...{ rank, size, localRank: rank, sum },
    startSum: (inputs) => torch.sumAtTheEnd(sum, inputs),
    gather: (value) => meet(value),
    any(...areTrue) {
      const all = meet(areTrue);
      return areTrue.map((_, i) => all.some((flags) => flags[i]));
    },
    announce() {},
    fail() {},
    isAnnounced: () => false,
    leave() {},
  };
}
