import { UsageError } from "../common/errors.js";
import type { Deciding } from "./acts.js";
import { flagOf, type Given, type OptionTable } from "./option.js";

/** Keys of a table that have no effect in the run, of those given. */
export function withoutEffect(table: OptionTable, given: object, run: Deciding): string[] {
  return Object.keys(given).filter((key) => table[key]?.acts?.in(run) === false);
}

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
  if (idle.length === 0) return;
  const named = idle.map((key) => `${flagOf(key)} (acts only ${table[key]?.acts?.only})`);
  throw new UsageError(`No effect in this run: ${named.join(", ")}; leave ${idle.length > 1 ? "them" : "it"} out.`);
}
