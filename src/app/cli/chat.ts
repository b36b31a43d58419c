/** A chat in the terminal. */
import { createInterface } from "node:readline";
import { BidoraError, INTERRUPTED, printable } from "../../base/index.js";
import { PromptTooLong } from "../../models/generation/index.js";
import type { Message } from "../../text/index.js";
import type { TextGenerator } from "../../use/inference/index.js";
import { type Output, reportError } from "./output.js";
import { stderr, stdout } from "./streams.js";

/**
 * A conversation: each line is a message of the user, and the answer is printed as it is generated. Ctrl-C stops an answer and keeps what
 * has been generated; between answers it ends the conversation, like the end of the input. A message that can't be answered is left out
 * of the conversation, and the reason is printed.
 * @throws BidoraError for a model without a usable chat template
 */
export async function chat(
  generator: TextGenerator,
  settings: { readonly system?: string | undefined },
  output: Pick<Output, "note">,
): Promise<number> {
  const messages: Message[] = settings.system === undefined ? [] : [{ role: "system", content: settings.system }];
  const name = settings.system === undefined ? "A conversation" : "A conversation with this --system";
  await generator.lengthOf([...messages, said("Hello")], name);
  const isTerminal = process.stdin.isTTY === true && stderr.isTTY;
  const lines = createInterface({ input: process.stdin, ...(isTerminal && { output: process.stderr }) });
  const interrupts = watch(lines);
  lines.setPrompt(isTerminal ? "> " : "");
  if (isTerminal) output.note("Ctrl-C stops an answer; between answers, Ctrl-C or Ctrl-D ends the conversation.");
  lines.prompt();
  try {
    for await (const line of lines) {
      if (line.trim() !== "") {
        messages.push(...(await turn(generator, messages, line, interrupts.begin())));
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

const said = (content: string): Message => ({ role: "user", content });

/** A message and its answer; nothing if it could not be answered. */
async function turn(
  generator: TextGenerator,
  before: readonly Message[],
  content: string,
  signal: AbortSignal,
): Promise<readonly Message[]> {
  const message = said(content);
  try {
    return [message, { role: "assistant", content: await answer(generator, [...before, message], signal) }];
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    reportError(await explained(error, generator, before, content).catch(() => error));
    return [];
  }
}

/** The error of a message. If the conversation is too long, it says how long the message is and what would have fit. */
async function explained(
  error: BidoraError,
  generator: TextGenerator,
  before: readonly Message[],
  content: string,
): Promise<BidoraError> {
  if (!(error instanceof PromptTooLong)) return error;
  const around = await generator.lengthOf([...before, said("")]);
  const length = (await generator.lengthOf([...before, said(content)])) - around;
  const left = Math.max(0, error.most - around);
  // Without earlier messages not even an empty one fits: the first error says what takes the room.
  if (left === 0 && before.every(({ role }) => role === "system")) return error;
  return new BidoraError(
    error.code,
    `Your message has ${length} tokens; ${left} are left in this conversation: shorten it, or begin a new conversation.`,
  );
}

async function answer(generator: TextGenerator, messages: readonly Message[], signal: AbortSignal): Promise<string> {
  let text = "";
  try {
    for await (const piece of generator.stream(messages, { signal, stream: messages.length, name: "Your message" })) {
      stdout.write(printable(piece.text));
      text += piece.text;
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) {
      if (text !== "") stdout.write("\n");
      throw error;
    }
  }
  stdout.write("\n");
  return text;
}

/** Handles Ctrl-C, which arrives from readline on a terminal and as a signal elsewhere. */
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
