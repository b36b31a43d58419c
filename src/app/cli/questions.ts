/** Questions in the terminal, each answered by a line. */
import { createInterface } from "node:readline";
import { BidoraError, didYouMean, oneLine, printable } from "../../base/index.js";
import { stderr } from "./streams.js";

/** A question with a default, which an empty line takes. */
export interface Asked {
  readonly text: string;
  readonly default: string;
  /** The answers that are allowed, each with what it means; any by default. A number chooses one of them. */
  readonly choices?: ReadonlyMap<string, string>;
}

/** Asks on stderr and reads from stdin. */
export interface Questions {
  /**
   * @returns an allowed answer
   * @throws BidoraError `INPUT` at the end of the input; the signal's reason after it was aborted
   */
  ask(question: Asked): Promise<string>;
  close(): void;
}

/** @param onInterrupt called at Ctrl-C, which a terminal sends as a key while a line is read */
export function openQuestions(signal: AbortSignal, onInterrupt: () => void): Questions {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answers = lines[Symbol.asyncIterator]();
  lines.on("SIGINT", onInterrupt);
  signal.addEventListener("abort", () => lines.close(), { once: true });
  return {
    async ask(question) {
      stderr.write(printable(shown(question)));
      for (;;) {
        stderr.write("> ");
        const next = await answers.next();
        signal.throwIfAborted();
        if (next.done) throw endOfInput();
        const line = String(next.value).trim();
        const answer = answerOf(question, line);
        if (answer !== undefined) return answer;
        stderr.write(`${printable(wrong(question, line))}\n`);
      }
    },
    close: () => lines.close(),
  };
}

const endOfInput = (): BidoraError =>
  new BidoraError("INPUT", "The input ended before the last question was answered: nothing was written.");

function shown({ text, choices = new Map(), default: preset }: Asked): string {
  const width = Array.from(choices.keys(), ({ length }) => length).reduce((a, b) => Math.max(a, b), 0);
  const listed = Array.from(choices, ([choice, about], i) =>
    `${String(i + 1).padStart(3)}  ${oneLine(choice).padEnd(width)}  ${about}`.trimEnd().concat("\n"),
  );
  return `${text} [${oneLine(preset)}]\n${listed.join("")}`;
}

function answerOf({ choices, default: preset }: Asked, line: string): string | undefined {
  if (line === "") return preset;
  if (!choices) return line;
  return choices.has(line) ? line : [...choices.keys()][Number(line) - 1];
}

const wrong = ({ choices = new Map() }: Asked, line: string): string =>
  `Give a number from 1 to ${choices.size}, or one of the words.${didYouMean(line, choices.keys())}`;
