// A comparison's frozen plan: what was decided before its runs, with a hash.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isObject } from "../arguments.js";
import { BidoraError } from "../errors.js";
import { writeFileAtomic } from "./atomic.js";
import { sha256 } from "./checksums.js";
import type { MethodPair } from "./comparison.js";
import { FROZEN, type PlannedRun } from "./comparisonFolder.js";
import { readJsonObject } from "./json.js";

export interface FrozenPlan {
  /** Of all other fields, as JSON with sorted keys and without spaces. */
  readonly sha256: string;
  readonly methods: readonly string[];
  readonly seeds: readonly number[];
  readonly dataSeeds?: readonly number[];
  /** Each task with its main metric; null if its rows were not there to know it by. */
  readonly tasks: readonly { readonly name: string; readonly metric: string | null }[];
  readonly tests: readonly string[];
  /** The pairs of methods to test; every two if it is missing. */
  readonly pairs?: readonly MethodPair[];
  readonly margin?: number;
  readonly budget?: string;
  /** Settings whose values are chosen by held-out rows. */
  readonly tuned: readonly string[];
  /** Settings and checksums of each run, by its folder; the runs that try values included. */
  readonly runs: Readonly<Record<string, PlannedRun>>;
  /** Runs that had begun before the plan was frozen. */
  readonly begun: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
}

/** JSON whose keys are sorted. */
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_key, one: unknown) =>
    isObject(one) ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1))) : one,
  );

const hashOf = (plan: Omit<FrozenPlan, "sha256">): string => sha256(sortedJson(plan));

/** Writes a plan with its hash. */
export function writeFrozenPlan(path: string, decided: Omit<FrozenPlan, "sha256">): FrozenPlan {
  const plan = { sha256: hashOf(decided), ...decided };
  writeFileAtomic(path, `${JSON.stringify(plan, undefined, 1)}\n`);
  return plan;
}

/** @throws BidoraError `COMPARISON` for a file that is not a frozen plan, or was changed since */
export function readFrozenPlan(path: string): FrozenPlan {
  const { sha256: sum, ...decided } = readJsonObject(path) as unknown as FrozenPlan;
  if (sum === hashOf(decided) && isObject(decided.runs)) return { sha256: sum, ...decided };
  throw new BidoraError(
    "COMPARISON",
    `${path} is not a plan as --freeze wrote it: its sha256 is ${sum}, and its content has ${hashOf(decided)}. Restore the file, or freeze the plan in another one.`,
  );
}

/** The plan that a comparison's folder keeps. */
export const readFrozenPlanIn = (folder: string): FrozenPlan | undefined =>
  existsSync(join(folder, FROZEN)) ? readFrozenPlan(join(folder, FROZEN)) : undefined;

export const writeFrozenPlanIn = (folder: string, { sha256: _sha256, ...decided }: FrozenPlan): void =>
  void writeFrozenPlan(join(folder, FROZEN), decided);
