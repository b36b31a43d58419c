import { own } from "../common/collections.js";
import { UsageError } from "../common/errors.js";
import type { Acts, Condition, Deciding } from "./acts.js";
import { flagOf, type Given, type OptionTable } from "./option.js";

/** Keys of a table that have no effect in the run, of those given. */
export function withoutEffect(table: OptionTable, given: object, run: Deciding): string[] {
  return Object.keys(given).filter((key) => table[key]?.acts?.in(run) === false);
}

/** Where the word acts that an option is set to, if it is one that does not always. */
const actsOfWord = (table: OptionTable, key: string, value: unknown): Acts | undefined =>
  typeof value === "string" ? own<Acts>(table[key]?.wordActs ?? {}, value) : undefined;

/**
 * A setting that changes nothing was meant to: it is refused, not passed over.
 * @param except keys that have an effect all the same
 * @throws UsageError naming each such setting, and where it would act
 */
export function refuseWithoutEffect<Table extends OptionTable>(
  table: Table,
  given: Given<Table>,
  run: Deciding,
  except: readonly (keyof Table)[] = [],
): void {
  const idle = withoutEffect(table, given, run).filter((key) => !except.includes(key));
  const named = idle.map((key) => `${flagOf(key)} (acts only ${table[key]?.acts?.only})`);
  for (const [key, value] of Object.entries(given)) {
    const acts = idle.includes(key) ? undefined : actsOfWord(table, key, value);
    if (acts?.in(run) === false) named.push(`${flagOf(key)} ${value} (acts only ${acts.only})`);
  }
  if (named.length > 0) throw noEffect("in this run", named);
}

/**
 * The same for conditions of a call's own. A switch that is off changes nothing anyway.
 * @throws UsageError naming each such setting, and where it would act
 */
export function refuseIdle<Call>(
  conditions: Readonly<Record<string, Condition<Call>>>,
  given: Readonly<Record<string, unknown>>,
  call: Call,
): void {
  const named = Object.entries(conditions)
    .filter(([key, acts]) => given[key] !== undefined && given[key] !== false && !acts.in(call))
    .map(([key, { only }]) => `${flagOf(key)} (acts only ${only})`);
  if (named.length > 0) throw noEffect("here", named);
}

const noEffect = (where: string, named: readonly string[]): UsageError =>
  new UsageError(`No effect ${where}: ${named.join(", ")}; leave ${named.length > 1 ? "them" : "it"} out.`);
