/** Which runs a page is about, and the address that says so. */
import { type FinishedRun, hasBase } from "./finishedRuns.js";
import { kindOf } from "./inputs.js";
import type { Talker } from "./talks.js";

/** What is chosen on the screen Try. */
export interface Choice {
  /** All of one kind; the first one decides which. */
  readonly runs: readonly FinishedRun[];
  /** Whether the base model of the first run answers beside them. */
  readonly withBase: boolean;
  /** The other settings in the address. */
  readonly query: URLSearchParams;
}

/** By default the run that finished last. Undefined if no run has finished. */
export function choiceIn(query: URLSearchParams, all: readonly FinishedRun[]): Choice | undefined {
  const named = query.getAll("run").flatMap((name) => all.find((run) => run.name === name) ?? []);
  const first = named[0] ?? all[0];
  if (!first) return undefined;
  const runs = named.filter((run) => kindOf(run) === kindOf(first));
  const chosen = runs.length > 0 ? [...new Set(runs)] : [first];
  return { runs: chosen, withBase: query.has("base") && hasBase(first), query };
}

/** The models in the order of their columns. */
export const talkersOf = ({ runs, withBase }: Choice): Talker[] => [
  ...(withBase ? [{ run: runs[0]!, isBase: true }] : []),
  ...runs.map((run) => ({ run, isBase: false })),
];

/** The address of the screen with the same runs. @param more what else it says; undefined leaves a value out */
export function addressOf(
  { runs, withBase, query }: Choice,
  more: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const address = new URLSearchParams(query);
  address.delete("run");
  address.delete("base");
  for (const { name } of runs) address.append("run", name);
  if (withBase) address.set("base", "on");
  for (const [key, value] of Object.entries(more)) {
    if (value === undefined) address.delete(key);
    else address.set(key, String(value));
  }
  return `/try?${address}`;
}
