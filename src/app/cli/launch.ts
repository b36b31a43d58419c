/** `bidora launch` in the terminal: the command is checked before it is started, and signals are passed on to it. */

import { didYouMean, ownCommand, own as ownValue, UsageError } from "../../base/index.js";
import type { Command, Context } from "../commands/command.js";
import { type LaunchSettings, launchOf } from "../commands/launch.js";
import { Launch } from "../launcher/launch.js";
import { parseArguments } from "./args.js";
import { SAME, SIGNALS } from "./interrupts.js";

/** The commands that train, by name. */
type Trains = Readonly<Record<string, () => Promise<Command>>>;

/** @returns the exit status */
export async function launchInTerminal(settings: LaunchSettings, context: Context, trains: Trains): Promise<number> {
  const { plan } = launchOf(settings, context);
  const launch = new Launch({ ...plan, command: await checked(plan.command, trains, context) });
  const stop = passSignals(launch);
  try {
    return await launch.run();
  } finally {
    stop();
  }
}

/**
 * The program of a command: one of bidora's, as it is written after `bidora` or with it, or a program of the user's.
 * @throws UsageError for a command that does not train, or whose flags are wrong; the error of a run file or an adapter
 */
async function checked(words: readonly string[], trains: Trains, context: Context): Promise<readonly string[]> {
  const own = words.slice(words.findIndex((word) => !NAMES.has(word)));
  const [name = "", ...rest] = own;
  const load = ownValue(trains, name);
  if (!load && isProgram(name)) return words;
  if (!load) {
    const names = Object.keys(trains);
    throw new UsageError(
      `"${name}" is no command that trains: launch takes ${names.join(", ")}, or a program such as node train.js.${didYouMean(name, names)}`,
    );
  }
  const command = await load();
  const { given, help } = parseArguments(command.options, rest, command.usage);
  const said = command.read(given);
  if (!help) await command.check?.(said, context);
  return [...ownCommand, ...own];
}

/** Words by which bidora itself is called. */
const NAMES: ReadonlySet<string> = new Set(["npx", "--no", "--no-install", "--", "bidora"]);

const isProgram = (word: string): boolean => word === "node" || word.includes("/");

/** Passes each signal on once: npx repeats one that the terminal has sent to all processes. */
function passSignals(launch: Launch): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const pass = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (now - last >= SAME) launch.pass(signal);
    last = now;
  };
  for (const signal of SIGNALS) process.on(signal, pass);
  return () => {
    for (const signal of SIGNALS) process.off(signal, pass);
  };
}
