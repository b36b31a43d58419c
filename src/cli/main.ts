import { readFileSync } from "node:fs";
import { BidoraError, UsageError } from "../errors.js";
import { preloadEngine } from "../torch/native.js";
import type { Command } from "./command.js";
import { COMMANDS } from "./commands.js";
import { type Interrupts, watchInterrupts } from "./interrupts.js";
import { createOutput } from "./output.js";

/** Exit status after Ctrl-C, as shells count it: 128 + SIGINT. */
const INTERRUPTED = 130;

const HELP: ReadonlySet<string> = new Set(["--help", "-h"]);

/**
 * Runs one command line.
 * @param argv the words after `bidora`
 * @returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C
 */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on("error", ignoreClosedPipe);
  try {
    return await dispatch(argv);
  } catch (error) {
    return reportError(error, argv.includes("--debug"));
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || HELP.has(name)) return printOverview();
  if (name === "--version" || name === "-v") return print(version());
  const entry = COMMANDS[name];
  if (!entry) throw await unknownCommand(name);
  if (entry.usesEngine && !rest.some((word) => HELP.has(word))) preloadEngine();
  return runCommand(await entry.load(), rest);
}

async function runCommand(command: Command, argv: readonly string[]): Promise<number> {
  const { parseArguments } = await import("./args.js");
  const { given, positionals, help } = parseArguments(command.options, argv);
  if (help) return print((await import("./help.js")).renderHelp(command, help === "all"));
  const { commandCall } = await import("./command.js");
  const output = createOutput(given);
  const interrupts = command.interruptible ? watchInterrupts(output) : undefined;
  try {
    const call = commandCall(command, { given, positionals, output, signal: signalOf(interrupts) });
    const status = (await command.run(call)) ?? 0;
    return interrupts?.signal.aborted ? INTERRUPTED : status;
  } catch (error) {
    if (!interrupts?.signal.aborted) throw error;
    output.note(error instanceof BidoraError ? error.message : "Interrupted.");
    return INTERRUPTED;
  } finally {
    interrupts?.stop();
  }
}

const signalOf = (interrupts: Interrupts | undefined): AbortSignal =>
  interrupts?.signal ?? new AbortController().signal;

async function unknownCommand(name: string): Promise<UsageError> {
  const { didYouMean } = await import("../config/nearest.js");
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
  process.stdout.write(`${text}\n`);
  return 0;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

/** One sentence for what a user can mend; the stack trace only on request. */
function reportError(error: unknown, debug: boolean): 1 | 2 {
  const known = error instanceof Error ? error : new Error(String(error));
  const message = known.message.split("\n")[0] || known.name;
  process.stderr.write(debug ? `${known.stack ?? message}\n` : `bidora: ${message}\n`);
  return known instanceof BidoraError ? known.exitStatus : 1;
}

/** A reader that has seen enough (`bidora … | head`) is no failure. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}
