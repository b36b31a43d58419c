/** The command line: prints help at once, and loads the rest for everything else. */
import { commandNamed } from "./commands.js";
import { leaveClosedTerminal, stdout } from "./streams.js";
import { isHelp, overview, writtenHelp } from "./writtenHelp.js";

const WRITTEN = new URL("../../help.json", import.meta.url);

/**
 * Runs one command line.
 * @param argv the words after `bidora`
 * @returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C
 */
export async function main(argv: readonly string[]): Promise<number> {
  const words = argv[0] === "help" ? helpWords(argv[1]) : argv;
  const text = textFor(words);
  const status = text === undefined ? await (await import("./dispatch.js")).dispatch(words) : print(text);
  const lost = await stdout.settled();
  leaveClosedTerminal();
  // A reader that closes early (`bidora … | head`) is not a failure.
  if (!lost || lost.code === "EPIPE") return status;
  return (await import("./dispatch.js")).reportLost(lost, status, words);
}

/** `bidora help NAME` is `bidora NAME --help`. */
const helpWords = (name: string | undefined): readonly string[] => (name === undefined ? [] : [name, "--help"]);

/** What is only printed; undefined if there is more to do. */
function textFor([name, ...rest]: readonly string[]): string | undefined {
  if (name === undefined || isHelp(name)) return overview();
  const [word = "", ...more] = rest;
  return commandNamed(name) && isHelp(word) && more.length === 0 ? writtenHelp(WRITTEN, name, word) : undefined;
}

function print(text: string): 0 {
  stdout.write(`${text}\n`);
  return 0;
}
