import { createInterface } from "node:readline";
import { printable } from "../common/printable.js";
import type { generateOptions } from "../config/index.js";
import type { Message } from "../text/index.js";
import type { TextGenerator } from "../use/textGenerator.js";
import type { CommandCall } from "./command.js";
import { stderr, stdout } from "./streams.js";

/** Exit status where Ctrl-C ends the conversation. */
const INTERRUPTED = 130;

/**
 * A conversation: a line is what the user says, the model's answer is printed as it comes. Ctrl-C stops an answer, which stays as far
 * as it came; without an answer it ends the conversation, as the end of the input does.
 */
export async function chat(
  generator: TextGenerator,
  { settings, output }: CommandCall<typeof generateOptions>,
): Promise<number> {
  const messages: Message[] = settings.system === undefined ? [] : [{ role: "system", content: settings.system }];
  const isTerminal = process.stdin.isTTY === true && stderr.isTTY;
  const lines = createInterface({ input: process.stdin, ...(isTerminal && { output: process.stderr }) });
  const interrupts = watch(lines);
  lines.setPrompt(isTerminal ? "> " : "");
  if (isTerminal) output.note("Ctrl-C stops an answer, and between answers the conversation; so does Ctrl-D.");
  lines.prompt();
  try {
    for await (const line of lines) {
      if (line.trim() !== "") {
        messages.push({ role: "user", content: line });
        const text = await answer(generator, messages, interrupts.begin());
        messages.push({ role: "assistant", content: text });
        interrupts.end();
      }
      if (interrupts.isOver()) break;
      lines.prompt();
    }
  } finally {
    interrupts.stop();
  }
  return interrupts.isOver() ? INTERRUPTED : 0;
}

async function answer(generator: TextGenerator, messages: readonly Message[], signal: AbortSignal): Promise<string> {
  let text = "";
  try {
    for await (const piece of generator.stream(messages, { signal, stream: messages.length })) {
      stdout.write(printable(piece.text));
      text += piece.text;
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
  stdout.write("\n");
  return text;
}

/** What Ctrl-C does: on a terminal that is read line by line it comes from there, else as a signal. */
function watch(lines: ReturnType<typeof createInterface>) {
  let answering: AbortController | undefined;
  let isOver = false;
  const onInterrupt = (): void => {
    if (answering && !answering.signal.aborted) {
      answering.abort();
      return;
    }
    isOver = true;
    lines.close();
  };
  lines.on("SIGINT", onInterrupt);
  process.on("SIGINT", onInterrupt);
  return {
    begin: (): AbortSignal => {
      answering = new AbortController();
      return answering.signal;
    },
    end: (): void => {
      answering = undefined;
    },
    isOver: (): boolean => isOver,
    stop: (): void => {
      process.off("SIGINT", onInterrupt);
      lines.close();
    },
  };
}
