/** The command line: finds the command, reads its flags, runs it. */

import { INTERRUPTED, packageVersion, printable, UsageError } from "../../base/index.js";
import { type Place, placeOf, silenceLog } from "../../torch/distributed/index.js";
import { preloadEngine } from "../../torch/native/index.js";
import type { Command } from "../commands/command.js";
import { COMMANDS, commandNamed, type Entry } from "./commands.js";
import { type Interrupts, watchInterrupts } from "./interrupts.js";
import { createOutput, type Output, reportError } from "./output.js";
import { leaveClosedTerminal, stderr, stdout } from "./streams.js";

const HELP: ReadonlySet<string> = new Set(["--help", "--help-all", "-h"]);

/**
 * Runs one command line.
 * @param argv the words after `bidora`
 * @returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C
 */
export async function main(argv: readonly string[]): Promise<number> {
  const status = await dispatch(argv).catch((error: unknown) =>
    reportError(error, argv.includes("--debug"), rankOf(commandNamed(argv[0]))),
  );
  const lost = await stdout.settled();
  leaveClosedTerminal();
  // A reader that closes early (`bidora … | head`) is not a failure.
  if (!lost || lost.code === "EPIPE") return status;
  stderr.write(`bidora: The output could not be written to stdout: ${printable(lost.message)}.\n`);
  return status === 0 && !(await leavesFiles(argv)) ? 1 : status;
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || HELP.has(name)) return printOverview();
  if (name === "help") return dispatch(rest.length > 0 ? [rest[0]!, "--help"] : []);
  if (name === "--version" || name === "-v") return print(packageVersion());
  const entry = commandNamed(name);
  if (!entry) throw await unknownCommand(name);
  if (isAmongRanks(entry)) silenceLog(process.env);
  if (entry.usesEngine && !asksForHelp(rest)) preloadEngine();
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

/** Help is only printed, whatever the command. */
async function leavesFiles([name, ...rest]: readonly string[]): Promise<boolean> {
  const entry = commandNamed(name);
  return entry !== undefined && !asksForHelp(rest) && (await entry.load()).leavesFiles === true;
}

const asksForHelp = (argv: readonly string[]): boolean => argv.some((word) => HELP.has(word));

/** Whether a command only stopped because of the signal; any other error must be reported. */
const isAbort = (error: unknown, { reason }: AbortSignal): boolean =>
  error === reason || (error instanceof Error && error.name === "AbortError");

const signalOf = (interrupts: Interrupts | undefined): AbortSignal =>
  interrupts?.signal ?? new AbortController().signal;

async function unknownCommand(name: string): Promise<UsageError> {
  const { didYouMean } = await import("../../base/index.js");
  const hint = didYouMean(name, Object.keys(COMMANDS));
  return new UsageError(`Unknown command "${name}".${hint || " bidora --help lists them."}`);
}

function printOverview(): number {
  const lines = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(22)}${about}`);
  return print(
    [
      "Usage: bidora COMMAND [flags]",
      "Fine-tune Hugging Face models with LoRA, DoRA and BiDoRA on libtorch, without Python.",
      "",
      ...lines,
      "",
      "bidora COMMAND --help shows a command's options; bidora --version the version.",
    ].join("\n"),
  );
}

function print(text: string): 0 {
  stdout.write(`${text}\n`);
  return 0;
}
