// Fuzzing of one target: inputs from a seed, and the smallest that each fault is found with.
import fc from "fast-check";
import { faultOf, signatureOf } from "./judge.js";
import type { Input, Target } from "./target.js";

/** A fault with an input that shows it. */
export interface Find {
  readonly target: string;
  readonly seed: number;
  readonly fault: string;
  readonly input: Input;
}

/** Where inputs come from, and when a campaign ends: at whichever limit comes first. */
export interface CampaignOptions {
  readonly seed: number;
  readonly milliseconds?: number;
  readonly runs?: number;
  /** Called with each input before it is given to bidora. */
  onInput?(input: Input): void;
}

/** What a campaign did. */
export interface Campaign {
  readonly runs: number;
  readonly finds: readonly Find[];
}

/** How long an input is reduced. */
const REDUCING_MS = 20_000;

class Fault extends Error {}

/** Fuzzes a target. A fault that was found is not reported again. */
export async function fuzz(target: Target, options: CampaignOptions): Promise<Campaign> {
  const { seed, milliseconds = Number.POSITIVE_INFINITY, runs = 1e9 } = options;
  const known = new Set<string>();
  const finds: Find[] = [];
  const end = performance.now() + milliseconds;
  let count = 0;
  await target.open?.();
  try {
    for (let round = seed; performance.now() < end && count < runs; round++) {
      const isNew = (fault: string): boolean => {
        count++;
        return !known.has(signatureOf(fault));
      };
      const details = await fc.check(
        propertyOf(target, options, isNew, () => count++),
        {
          seed: round,
          numRuns: runs - count,
          endOnFailure: true,
          ...(end !== Number.POSITIVE_INFINITY && { interruptAfterTimeLimit: Math.max(1, end - performance.now()) }),
        },
      );
      const { errorInstance: found, counterexamplePath: path } = details;
      if (!details.failed || path === null) break;
      if (!(found instanceof Fault)) throw found;
      known.add(signatureOf(found.message));
      const input = details.counterexample[0] as Input;
      finds.push(
        await reduced(target, options, { target: target.name, seed: round, fault: found.message, input }, path),
      );
    }
  } finally {
    await target.close?.();
  }
  return { runs: count, finds };
}

/** Holds if an input has no fault that `counts`. */
const propertyOf = (
  target: Target,
  { onInput }: CampaignOptions,
  counts: (fault: string) => boolean,
  onPass: () => void = () => {},
) =>
  fc.asyncProperty(target.inputs, async (input) => {
    onInput?.(input);
    const fault = await faultOf(() => target.run(input));
    if (fault === undefined) onPass();
    else if (counts(fault)) throw new Fault(fault);
  });

/** The smallest input with the same fault. */
async function reduced(target: Target, options: CampaignOptions, find: Find, path: string): Promise<Find> {
  const signature = signatureOf(find.fault);
  const property = propertyOf(target, options, (fault) => signatureOf(fault) === signature);
  const details = await fc.check(property, { seed: find.seed, path, interruptAfterTimeLimit: REDUCING_MS });
  if (!(details.errorInstance instanceof Fault)) return find;
  return { ...find, fault: details.errorInstance.message, input: details.counterexample?.[0] as Input };
}
