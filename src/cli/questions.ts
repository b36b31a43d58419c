/** Questions in the terminal, one line each. */
import { createInterface } from "node:readline";
import { BidoraError } from "../common/errors.js";
import { didYouMean, oneLine, printable } from "../common/messages.js";
import { stderr } from "./streams.js";

/** A question with a default, which an empty line takes. */
export interface Asked {
  readonly text: string;
  readonly default: string;
  /** The answers that are allowed; any by default. A number chooses one of them. */
  readonly choices?: readonly string[];
}

/** Asks on stderr and reads from stdin. */
export interface Questions {
  /**
   * @returns an allowed answer
   * @throws the signal's reason after Ctrl-C, BidoraError `INPUT` at the end of the input
   */
  ask(question: Asked): Promise<string>;
  close(): void;
}

/** @param signal aborted by Ctrl-C; in a terminal's raw mode readline gets the key instead, and `interrupt` is called */
export function openQuestions(signal: AbortSignal, interrupt: () => void): Questions {
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal: process.stdin.isTTY === true,
  });
  const ended = new Promise<never>((_, reject) => {
    const fail = () => reject(signal.aborted ? signal.reason : endOfInput());
    lines.on("close", fail);
    signal.addEventListener("abort", fail, { once: true });
  });
  ended.catch(() => {});
  lines.on("SIGINT", interrupt);
  const answers = lines[Symbol.asyncIterator]();
  return {
    async ask(question) {
      stderr.write(printable(shown(question)));
      for (;;) {
        stderr.write("> ");
        const next = await Promise.race([answers.next(), ended]);
        if (next.done) throw signal.aborted ? signal.reason : endOfInput();
        const answer = answerOf(question, next.value.trim());
        if (answer !== undefined) return answer;
        stderr.write(`${printable(wrong(question, next.value.trim()))}\n`);
      }
    },
    close: () => lines.close(),
  };
}

const endOfInput = (): BidoraError =>
  new BidoraError("INPUT", "The input ended before the last question was answered: nothing was written.");

function shown({ text, choices = [], default: preset }: Asked): string {
  const listed = choices.map((choice, i) => `  ${i + 1}  ${oneLine(choice)}\n`).join("");
  return `${text} [${oneLine(preset)}]\n${listed}`;
}

function answerOf({ choices, default: preset }: Asked, line: string): string | undefined {
  if (line === "") return preset;
  if (!choices) return line;
  return choices.includes(line) ? line : choices[Number(line) - 1];
}

const wrong = ({ choices = [] }: Asked, line: string): string =>
  `Give a number from 1 to ${choices.length}, or one of the words.${didYouMean(line, choices)}`;
