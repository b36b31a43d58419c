import type { Subject } from "./subject.js";

/** Whether another program runs a model or an adapter as it is. */
export interface Verdict {
  /** `no` also for a program that would load it and compute something else without an error. */
  readonly takes: "yes" | "no" | "unknown";
  /** Why not, or what is not known; one sentence each. */
  readonly reasons: readonly string[];
  /** What to know about using it there; one sentence each. */
  readonly notes: readonly string[];
  /** Shell commands after which it runs there, in order; empty if there are none. */
  readonly commands: readonly string[];
}

/** Another program that runs models, as a judge of what it takes: one file in this folder, one line in `index.ts`. */
export type Program = (subject: Subject) => Verdict;

type Rest = Partial<Pick<Verdict, "notes" | "commands">>;

export const yes = ({ notes = [], commands = [] }: Rest): Verdict => ({ takes: "yes", reasons: [], notes, commands });

export const no = (reasons: readonly string[], { notes = [], commands = [] }: Rest = {}): Verdict => ({
  takes: "no",
  reasons,
  notes,
  commands,
});

export const unknown = (reasons: readonly string[], rest: Rest = {}): Verdict => ({
  ...no(reasons, rest),
  takes: "unknown",
});

/** `yes` if nothing speaks against it, `no` if something does, and `unknown` if something is not known. */
export function judged(against: readonly string[], open: readonly string[], ifNot: Rest, ifSo: Rest): Verdict {
  if (against.length > 0) return no([...against, ...open], ifNot);
  return open.length > 0 ? unknown(open, ifNot) : yes(ifSo);
}
