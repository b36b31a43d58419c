/** Examples for language models as token ids, with the tokens that the loss is computed on. */
import { UsageError } from "../base/index.js";
import { IGNORED_LABEL } from "../models/nn/index.js";
import { asConversation, type Conversation, type TextTokens, type Tokenizer, upTo } from "../text/index.js";
import type { EncodedExample, TrainOn } from "./batch.js";
import { ChatRenderer, codePointSpans, lossMask, type MarkedText } from "./chatSpans.js";
import type { LanguageExample, LanguageInput, Location, TextOrMessages } from "./data/index.js";
import { withExampleInErrors } from "./encodeExamples.js";

/** The target of a token is the next token, where the loss is computed on that, else -100. */
export type EncodedLanguageExample = EncodedExample<readonly number[]>;

export interface LanguageEncoding {
  /** By default the completion, the assistant's messages, or the whole text, by the kind of example. */
  readonly trainOn?: TrainOn | undefined;
  /** The maximum number of tokens in an encoded example. Longer ones are truncated on the right; longer texts are continued in further parts. */
  readonly maxLength?: number | undefined;
}

/** How many examples are tokenized at once. */
const CHUNK = 4096;

/**
 * Encodes examples for language models: each as one, or a long text in several parts.
 * @throws BidoraError naming the example that the tokenizer or its chat template refuses
 */
export async function encodeLanguageExamples(
  examples: readonly LanguageExample[],
  tokenizer: Tokenizer,
  { trainOn, maxLength = Number.POSITIVE_INFINITY }: LanguageEncoding = {},
): Promise<EncodedLanguageExample[][]> {
  const front = await tokenizer.prefixIds();
  const renderer = new ChatRenderer(tokenizer);
  const encoded: EncodedLanguageExample[][] = [];
  for (let first = 0; first < examples.length; first += CHUNK) {
    const written = examples
      .slice(first, first + CHUNK)
      .map((example) => ({ texts: writtenTexts(example, renderer, trainOn), example, at: example.at }));
    const tokens = await tokensOf(
      tokenizer,
      written.map(({ texts, at }) => ({ texts: texts.map(({ text }) => text), at })),
    );
    let next = 0;
    for (const { texts, example } of written) {
      const own = tokens.slice(next, next + texts.length);
      next += own.length;
      const marked = markedTokens(texts, own, front, () => eosOf(tokenizer));
      encoded.push(encodedParts(marked, example, maxLength));
    }
  }
  return encoded;
}

/**
 * The token ids of prompts: of a text with the tokens that the tokenizer puts in front of it, of a conversation with the start of the
 * assistant's next message.
 * @throws BidoraError naming the example that the chat template refuses
 */
export async function encodePrompts(
  examples: readonly LanguageExample[],
  tokenizer: Tokenizer,
): Promise<(readonly number[])[]> {
  const front = await tokenizer.prefixIds();
  const renderer = new ChatRenderer(tokenizer);
  const prompts = examples.map((example) => writtenPrompt(example, renderer, front));
  const tokens = await tokensOf(tokenizer, prompts);
  return tokens.map(({ ids }, i) => [...(prompts[i]?.front ?? []), ...ids]);
}

/**
 * The token ids of one prompt as `encodePrompts` gives them; undefined if it is long and has more than `most`.
 * @throws as `encodePrompts`; the signal's reason
 */
export async function encodePromptUpTo(
  example: LanguageExample,
  tokenizer: Tokenizer,
  most: number,
  signal?: AbortSignal,
): Promise<readonly number[] | undefined> {
  const prompt = writtenPrompt(example, new ChatRenderer(tokenizer), await tokenizer.prefixIds());
  const [text] = prompt.texts as [string];
  const ids = await withExampleInErrors(tokenizer.idsUpTo(text, most, signal), [prompt], ({ texts }) => texts);
  return ids && [...prompt.front, ...ids];
}

/** A prompt as a text, and the tokens in front of it: a chat template writes its own. */
function writtenPrompt({ input, at }: LanguageExample, renderer: ChatRenderer, front: readonly number[]) {
  const writing = textOrMessagesOf(input);
  return typeof writing === "string"
    ? { texts: [writing], front, at }
    : { texts: [renderer.render(writing, true, at).text], front: [], at };
}

function textOrMessagesOf(input: LanguageInput): TextOrMessages {
  if (input.kind === "prompt") return input.prompt;
  return input.kind === "text" ? input.text : input;
}

/** The tokens of all texts of examples. @throws BidoraError naming the example whose text the tokenizer refuses */
function tokensOf(
  tokenizer: Tokenizer,
  writings: readonly { readonly texts: readonly string[]; readonly at: Location }[],
): Promise<TextTokens[]> {
  return withExampleInErrors(
    tokenizer.tokensOf(writings.flatMap(({ texts }) => texts)),
    writings,
    ({ texts }) => texts,
  );
}

/** The texts of an example that are tokenized separately: a prompt and its completion, else one. */
function writtenTexts(
  { input, at }: LanguageExample,
  renderer: ChatRenderer,
  trainOn: TrainOn | undefined,
): MarkedText[] {
  if (input.kind === "text") {
    requireOne(trainOn, ["all"], "text", at);
    return [{ text: input.text, loss: true }];
  }
  if (input.kind === "messages") return [ofMessages(input, renderer, trainOn ?? "assistant", at)];
  const { prompt, completion = "" } = input;
  if (typeof prompt === "string" || typeof completion === "string") {
    requireOne(trainOn, ["completion", "all"], "prompt and completion", at);
    return [
      { text: prompt as string, loss: trainOn === "all" },
      { text: completion as string, loss: true },
    ];
  }
  const before = asConversation(prompt);
  const whole = { ...before, messages: [...before.messages, ...completion] };
  if (trainOn === undefined || trainOn === "completion") return [renderer.after(whole, before.messages.length, at)];
  return [ofMessages(whole, renderer, trainOn, at)];
}

/** The completion of a conversation is its last answer. */
function ofMessages(conversation: Conversation, renderer: ChatRenderer, trainOn: TrainOn, at: Location): MarkedText {
  if (trainOn === "all") return renderer.whole(conversation, at);
  if (trainOn === "assistant") return renderer.assistant(conversation, at);
  const last = conversation.messages.findLastIndex(({ role }) => role === "assistant");
  const whole = upTo(conversation, last + 1);
  return last < 1 ? { ...renderer.whole(conversation, at), loss: [] } : renderer.after(whole, last, at);
}

function requireOne(trainOn: TrainOn | undefined, fitting: readonly TrainOn[], kind: string, { file }: Location): void {
  if (trainOn === undefined || fitting.includes(trainOn)) return;
  throw new UsageError(
    `--train-on ${trainOn} does not fit ${file}, whose rows have ${kind}: use ${fitting.join(" or ")}.`,
  );
}

/** Tokens, and whether the loss is computed on each. */
type MarkedTokens = readonly (readonly [id: number, loss: boolean])[];

/** A chat template writes the special tokens itself; around other texts they are added here. */
function markedTokens(
  texts: readonly MarkedText[],
  tokens: readonly TextTokens[],
  front: readonly number[],
  eos: () => number,
): MarkedTokens {
  const marked = texts.flatMap(({ text, loss }, i) => {
    const { ids, offsets } = tokens[i] as TextTokens;
    const marks = typeof loss === "boolean" ? undefined : lossMask(offsets, codePointSpans(text, loss));
    return ids.map((id, k) => [id, marks ? (marks[k] as boolean) : (loss as boolean)] as const);
  });
  const [first] = texts;
  if (typeof first?.loss !== "boolean") return marked;
  const { loss } = first;
  return [...front.map((id) => [id, loss] as const), ...marked, [eos(), true]];
}

function eosOf({ eosTokenId }: Tokenizer): number {
  if (eosTokenId !== undefined) return eosTokenId;
  throw new UsageError("tokenizer_config.json names no eos_token, but texts and completions must end with one.");
}

/** A long text is continued in further parts, everything else is truncated. */
function encodedParts(
  tokens: MarkedTokens,
  { input, at }: LanguageExample,
  maxLength: number,
): EncodedLanguageExample[] {
  if (input.kind !== "text") return [encodedPart(tokens.slice(0, maxLength), at)];
  const examples: EncodedLanguageExample[] = [];
  for (let from = 0; from < tokens.length; from += maxLength)
    examples.push(encodedPart(tokens.slice(from, from + maxLength), at));
  return examples;
}

function encodedPart(tokens: MarkedTokens, at: Location): EncodedLanguageExample {
  const target = tokens.map((_, i) => {
    const [id, loss] = tokens[i + 1] ?? [IGNORED_LABEL, false];
    return loss ? id : IGNORED_LABEL;
  });
  return { inputIds: tokens.map(([id]) => id), tokenTypeIds: tokens.map(() => 0), target, at };
}
