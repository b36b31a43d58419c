/** Answers as token ids, with the tokens that they have in common with their prompt. */
import { UsageError } from "../../base/index.js";
import type { Branches } from "../../models/index.js";
import type { Message, Tokenizer } from "../../text/index.js";
import type { EncodedExample, EncodeOptions } from "../batch.js";
import { ChatRenderer } from "../chatSpans.js";
import { rowError } from "../data/index.js";
import type { PreferenceExample, PreferenceLabel } from "../data/preferenceExamples.js";
import { withExampleInErrors } from "../encodeExamples.js";
import type { ExamplePart } from "../task.js";

/** A prompt and its answers as tokens: the prompt's end where the first answer begins to differ from it. */
export interface EncodedAnswers extends EncodedExample<PreferenceLabel>, Branches {
  /** The answers' tokens, uncut. Those within the maximum length are in `inputIds`; none if the prompt alone is as long. */
  readonly answers: readonly (readonly number[])[];
  readonly maxLength: number;
  /** For KTO the whole batch that the row is in; undefined before it is in one. */
  readonly group?: object | undefined;
  readonly origin?: EncodedAnswers | undefined;
}

/** Whether a row's prompt leaves no room for an answer. */
export const isTooLong = ({ lengths }: Pick<EncodedAnswers, "lengths">): boolean => lengths.length === 0;

/**
 * Encodes prompts with their answers, as TRL does: prompt, and prompt with answer, are tokenized each as a whole, strings with the end of
 * sequence; the answers begin where tokens first differ from the prompt's.
 * @throws BidoraError naming an example that the tokenizer or its chat template refuses
 */
export async function encodeAnswers(
  examples: readonly PreferenceExample[],
  tokenizer: Tokenizer,
  { maxLength = Number.POSITIVE_INFINITY }: EncodeOptions,
): Promise<EncodedAnswers[]> {
  const writer = await AnswerWriter.of(tokenizer);
  const written = examples.map((example) => ({ texts: writer.write(example), at: example.at }));
  const flat = written.flatMap(({ texts }) => texts);
  const tokens = await withExampleInErrors(tokenizer.tokensOf(flat.map(({ text }) => text)), written, ({ texts }) =>
    texts.map(({ text }) => text),
  );
  let next = 0;
  return examples.map((example, i) => {
    const own = written[i]!.texts.map(({ isRendered }) => {
      const { ids } = tokens[next++]!;
      return isRendered ? ids : [...writer.front, ...ids, ...writer.back];
    });
    const [prompt, ...wholes] = example.input.prompt === undefined ? [[], ...own] : own;
    return encoded(example, prompt!, wholes, maxLength);
  });
}

/** A text to tokenize; a chat template has written all special tokens. */
interface WrittenText {
  readonly text: string;
  readonly isRendered: boolean;
}

/** Writes prompts and answers as texts. */
class AnswerWriter {
  readonly #renderer: ChatRenderer;
  /** The text of the end of sequence; undefined for a tokenizer that ends texts otherwise. */
  readonly #end: string | undefined;

  private constructor(
    tokenizer: Tokenizer,
    readonly front: readonly number[],
    readonly back: readonly number[],
  ) {
    this.#renderer = new ChatRenderer(tokenizer);
    const { eosTokenId } = tokenizer;
    this.#end = eosTokenId === undefined ? undefined : tokenizer.tokenText(eosTokenId);
  }

  static async of(tokenizer: Tokenizer): Promise<AnswerWriter> {
    return new AnswerWriter(tokenizer, await tokenizer.prefixIds(), await tokenizer.suffixIds());
  }

  /** The prompt, if there is one, and the prompt with each answer. */
  write({ input: { prompt, answers, around }, at }: PreferenceExample): WrittenText[] {
    const rendered = (messages: readonly Message[], addGenerationPrompt: boolean): WrittenText => {
      const { text } = this.#renderer.render({ messages, ...around }, addGenerationPrompt, at);
      return { text, isRendered: true };
    };
    const asked =
      typeof prompt === "string"
        ? [{ text: prompt, isRendered: false }]
        : prompt === undefined
          ? []
          : [rendered(prompt, true)];
    const whole = (answer: (typeof answers)[number]): WrittenText =>
      typeof answer === "string"
        ? { text: this.#ended(`${(prompt as string | undefined) ?? ""}${answer}`), isRendered: false }
        : rendered([...((prompt as readonly Message[] | undefined) ?? []), ...answer], false);
    return [...asked, ...answers.map(whole)];
  }

  #ended(text: string): string {
    const end = this.#end;
    if (end === undefined && this.back.length === 0)
      throw new UsageError("tokenizer_config.json names no eos_token, but answers must end with one.");
    return end === undefined || text.endsWith(end) ? text : text + end;
  }
}

function encoded(
  { at, label }: PreferenceExample,
  prompt: readonly number[],
  wholes: readonly (readonly number[])[],
  maxLength: number,
): EncodedAnswers {
  const prefix = Math.min(...wholes.map((whole) => commonLength(prompt, whole)));
  const answers = wholes.map((whole) => whole.slice(prefix));
  const [first, second] = answers;
  if (answers.some(({ length }) => length === 0) || (second && isSame(first!, second)))
    throw rowError(
      at.file,
      at.line,
      "the answers are no different as tokens, or one has none: check them, and the chat template.",
    );
  return { ...branches(wholes[0]!.slice(0, prefix), answers, maxLength), target: label, answers, maxLength, at };
}

/** The prompt, and each answer. */
export function textParts({ prefix, lengths, target }: EncodedAnswers, bearsPrompt = false): ExamplePart[] {
  const names = lengths.length === 1 ? [target?.isGood === false ? "bad" : "good"] : ["chosen", "rejected"];
  return [
    { name: "prompt", tokens: prefix, bearsLoss: bearsPrompt },
    ...lengths.map((tokens, i) => ({ name: names[i]!, tokens, bearsLoss: true })),
  ];
}

/** The tokens of a prompt with answers, as many of each as fit. */
export function branches(
  prompt: readonly number[],
  answers: readonly (readonly number[])[],
  maxLength: number,
): Branches & Pick<EncodedAnswers, "tokenTypeIds"> {
  const room = Math.max(0, maxLength - prompt.length);
  const cut = room === 0 ? [] : answers.map((answer) => answer.slice(0, room));
  const inputIds = [...(room === 0 ? prompt.slice(0, maxLength) : prompt), ...cut.flat()];
  return {
    prefix: Math.min(prompt.length, maxLength),
    lengths: cut.map(({ length }) => length),
    inputIds,
    tokenTypeIds: inputIds.map(() => 0),
  };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs === -1 ? a.length : differs;
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);
