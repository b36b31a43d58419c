/** Runs a command: finds it, reads its flags, calls it and prints its result. */

import { didYouMean, INTERRUPTED, packageVersion, printable, UsageError } from "../../base/index.js";
import { preloadTokenizers } from "../../text/index.js";
import { type Place, placeOf, silenceLog } from "../../torch/distributed/index.js";
import { preloadEngine } from "../../torch/native/index.js";
import type { Command } from "../commands/command.js";
import { COMMANDS, commandNamed, type Entry } from "./commands.js";
import { type Interrupts, watchInterrupts } from "./interrupts.js";
import { createOutput, type Output, reportError } from "./output.js";
import { stderr, stdout } from "./streams.js";
import { isHelp } from "./writtenHelp.js";

/**
 * Runs the command that the first word names.
 * @returns the exit status; an error is printed
 */
export async function dispatch(argv: readonly string[]): Promise<number> {
  try {
    return await runNamed(argv);
  } catch (error) {
    return reportError(error, argv.includes("--debug"), rankOf(commandNamed(argv[0])));
  }
}

async function runNamed([name = "", ...rest]: readonly string[]): Promise<number> {
  if (name === "--version" || name === "-v") return print(packageVersion());
  const entry = commandNamed(name);
  if (!entry) throw unknownCommand(name);
  if (isAmongRanks(entry)) silenceLog(process.env);
  if (entry.usesEngine && !rest.some(isHelp)) {
    await preloadTokenizers();
    preloadEngine();
  }
  return runCommand(entry, rest);
}

async function runCommand(entry: Entry, argv: readonly string[]): Promise<number> {
  const command = await entry.load();
  const { parseArguments } = await import("./args.js");
  const { given, help } = parseArguments(command.options, argv, command.usage);
  if (help) return print((await import("./help.js")).renderHelp(command, help === "all"));
  const rank = rankOf(entry);
  const output = createOutput(given, rank > 0);
  const interrupts = entry.isInterruptible && !isChat(given) ? watchInterrupts(output, entry.isService) : undefined;
  try {
    const status = await runWithHooks(entry, command, given, { output, signal: signalOf(interrupts) });
    return interrupts?.signal.aborted ? interrupts.status : status;
  } catch (error) {
    if (!interrupts?.signal.aborted) throw error;
    if (isAbort(error, interrupts.signal)) output.note("Interrupted.");
    else reportError(error, argv.includes("--debug"), rank);
    return interrupts.status;
  } finally {
    interrupts?.stop();
  }
}

/** The rank of this process among those that train together; 0 for other commands. */
const rankOf = (entry: Entry | undefined): number => placeFor(entry)?.rank ?? 0;

const isAmongRanks = (entry: Entry): boolean => placeFor(entry) !== undefined;

function placeFor(entry: Entry | undefined): Place | undefined {
  if (!entry?.isRank) return undefined;
  try {
    return placeOf(process.env);
  } catch {
    return undefined; // the command reports what is wrong
  }
}

/** A chat handles Ctrl-C itself. */
const isChat = ({ chat }: { readonly chat?: unknown }): boolean => chat === true;

interface Context {
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** @returns the exit status */
async function runWithHooks(entry: Entry, command: Command, given: object, context: Context): Promise<number> {
  const { withHooks } = await import("./hooks.js");
  const said = command.read(given);
  const { output, signal } = context;
  return withHooks(command, context, async (own) => {
    if (entry.inTerminal) return (await entry.inTerminal())(said, own, output);
    const result = await command.run(said, own);
    return signal.aborted ? INTERRUPTED : output.show(command.show(result, stdout.isTTY));
  });
}

/**
 * Says that a command's output was lost.
 * @param status of the command
 * @returns the exit status: a command that leaves files has done what matters
 */
export async function reportLost(lost: Error, status: number, [name, ...rest]: readonly string[]): Promise<number> {
  stderr.write(`bidora: The output could not be written to stdout: ${printable(lost.message)}.\n`);
  if (status !== 0) return status;
  const entry = commandNamed(name);
  // Help is only printed, whatever the command.
  return entry !== undefined && !rest.some(isHelp) && (await entry.load()).leavesFiles === true ? 0 : 1;
}

/** Whether a command only stopped because of the signal; any other error must be reported. */
const isAbort = (error: unknown, { reason }: AbortSignal): boolean =>
  error === reason || (error instanceof Error && error.name === "AbortError");

const signalOf = (interrupts: Interrupts | undefined): AbortSignal =>
  interrupts?.signal ?? new AbortController().signal;

function unknownCommand(name: string): UsageError {
  const hint = didYouMean(name, Object.keys(COMMANDS));
  return new UsageError(`Unknown command "${name}".${hint || " bidora --help lists them."}`);
}

function print(text: string): 0 {
  stdout.write(`${text}\n`);
  return 0;
}
