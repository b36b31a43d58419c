import { UsageError } from "../common/errors.js";
import type { Settings } from "../config/index.js";
import { type Given, type OptionTable, withDefaults } from "../config/option.js";
import type { CommandHelp } from "./help.js";
import type { Output } from "./output.js";

/** What a command gets to work with. */
export interface CommandCall<Table> {
  /** What was set on the command line. */
  readonly given: Given<Table>;
  /** The same with defaults filled in. */
  readonly settings: Settings<Table>;
  /** Words that are not flags. */
  readonly positionals: readonly string[];
  readonly output: Output;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** One command of the command line. */
export interface Command<Table extends OptionTable = OptionTable> extends CommandHelp {
  readonly options: Table;
  /** How many words that are not flags it takes, at most. */
  readonly positionals: number;
  /** Whether it stops in good order at Ctrl-C; else the first one ends it at once. */
  readonly interruptible?: boolean;
  /** Whether it deals with Ctrl-C itself, in this call. */
  ownInterrupts?(given: Given<Table>): boolean;
  /** Whether what it makes lies in files, so that nothing is lost with what it prints. */
  readonly leavesFiles?: boolean;
  /** @returns the exit status, 0 when it returns nothing */
  // A method and not a property, so that a command of a certain table is a command of any table.
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands return nothing
  run(call: CommandCall<Table>): Promise<number | void>;
}

/** Gives a command's `run` the types of its own options. */
export const defineCommand = <Table extends OptionTable>(command: Command<Table>): Command<Table> => command;

/** Puts together what a command gets. */
export function commandCall<Table extends OptionTable>(
  command: Command<Table>,
  call: Omit<CommandCall<Table>, "settings">,
): CommandCall<Table> {
  const surplus = call.positionals[command.positionals];
  if (surplus !== undefined) throw new UsageError(`Unexpected "${surplus}"; usage: bidora ${command.usage}`);
  return { ...call, settings: { ...withDefaults(command.options, call.given), given: call.given } };
}

/**
 * The value of an option that the command can't do without.
 * @throws UsageError when it is missing
 */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new UsageError(`${what} is missing.`);
  return value;
}
