import { UsageError } from "../common/errors.js";
import type { TRAIN_ON } from "../files/adapterMetadata.js";
import { type Message, RefusedText, type TextTokens, type Tokenizer } from "../text/index.js";
import { ChatRenderer, codePointSpans, type MarkedText, marksOf } from "./chatSpans.js";
import type { Location } from "./example.js";
import type { LanguageExample, LanguageInput } from "./languageRows.js";
import { rowError } from "./textFile.js";

/** What of a row bears loss. */
export type TrainOn = (typeof TRAIN_ON)[number];

export interface LanguageEncoding {
  /** By the kind of row if not given: the completion, what the assistant said, or all of a text. */
  readonly trainOn?: TrainOn | undefined;
  /** The most tokens of a row. Rows are cut on their right; texts go on in further rows. */
  readonly maxLength?: number | undefined;
}

/** A row as token ids. */
export interface LanguageTokens {
  readonly inputIds: readonly number[];
  /** Of each token, whether it bears loss: whether it is learnt to be foretold from those before it. The first never is. */
  readonly bearsLoss: readonly boolean[];
}

/** How many rows tokenise at once. */
const CHUNK = 4096;

/**
 * Turns rows for language models into token ids, with what of them bears loss. A text that is longer than a row goes on in
 * further rows; all else is one row, cut on its right.
 * @throws BidoraError naming the row that the tokenizer or its chat template does not take
 */
export async function encodeLanguageRows(
  examples: readonly LanguageExample[],
  tokenizer: Tokenizer,
  { trainOn, maxLength = Number.POSITIVE_INFINITY }: LanguageEncoding = {},
): Promise<LanguageTokens[][]> {
  const front = await tokenizer.frontIds();
  const renderer = new ChatRenderer(tokenizer);
  const rows: LanguageTokens[][] = [];
  for (let first = 0; first < examples.length; first += CHUNK) {
    const plans = examples
      .slice(first, first + CHUNK)
      .map((example) => ({ ...planOf(example, renderer, trainOn), at: example.at }));
    const tokens = await tokensOf(tokenizer, plans);
    let next = 0;
    for (const plan of plans) {
      const own = tokens.slice(next, next + plan.texts.length);
      next += own.length;
      const whole = withoutFirst(plan.assemble(own, front, () => eosOf(tokenizer)));
      rows.push(plan.isCut ? [cut(whole, 0, maxLength)] : pieces(whole, maxLength));
    }
  }
  return rows;
}

/**
 * Turns prompts into the token ids that a model goes on from: a text with what the tokenizer puts before it, a conversation with
 * the start of an answer.
 * @throws BidoraError naming the row that the chat template does not take
 */
export async function encodePrompts(
  examples: readonly LanguageExample[],
  tokenizer: Tokenizer,
): Promise<(readonly number[])[]> {
  const front = await tokenizer.frontIds();
  const renderer = new ChatRenderer(tokenizer);
  const prompts = examples.map(({ input, at }) => {
    const writing = writingOf(input);
    return typeof writing === "string"
      ? { texts: [writing], front, at }
      : { texts: [renderer.render(writing, true, at).text], front: [], at };
  });
  const tokens = await tokensOf(tokenizer, prompts);
  return tokens.map(({ ids }, i) => [...(prompts[i]?.front ?? []), ...ids]);
}

function writingOf(input: LanguageInput): string | readonly Message[] {
  if (input.kind === "prompt") return input.prompt;
  return input.kind === "text" ? input.text : input.messages;
}

interface Texts {
  readonly texts: readonly string[];
  readonly at: Location;
}

/** The tokens of all texts of rows. @throws BidoraError naming the row whose text the tokenizer refuses */
function tokensOf(tokenizer: Tokenizer, rows: readonly Texts[]): Promise<TextTokens[]> {
  return namingRow(tokenizer.tokensOf(rows.flatMap(({ texts }) => texts)), rows, ({ texts }) => texts);
}

/** The texts of a row that are tokenised, and how its tokens are put together. */
interface Plan {
  readonly texts: readonly string[];
  readonly isCut: boolean;
  assemble(tokens: readonly TextTokens[], front: readonly number[], eos: () => number): LanguageTokens;
}

function planOf({ input, at }: LanguageExample, renderer: ChatRenderer, trainOn: TrainOn | undefined): Plan {
  if (input.kind === "text") {
    requireOne(trainOn, ["all"], "text", at);
    return textPlan(input.text);
  }
  if (input.kind === "messages") return chatPlan(ofMessages(input.messages, renderer, trainOn ?? "assistant", at));
  const { prompt, completion = "" } = input;
  if (typeof prompt === "string" || typeof completion === "string") {
    requireOne(trainOn, ["completion", "all"], "prompt and completion", at);
    return promptPlan(prompt as string, completion as string, trainOn === "all");
  }
  const messages = [...prompt, ...completion];
  if (trainOn === undefined || trainOn === "completion") return chatPlan(renderer.after(messages, prompt.length, at));
  return chatPlan(ofMessages(messages, renderer, trainOn, at));
}

/** The completion of a conversation is its last answer. */
function ofMessages(messages: readonly Message[], renderer: ChatRenderer, trainOn: TrainOn, at: Location): MarkedText {
  if (trainOn === "all") return renderer.whole(messages, at);
  if (trainOn === "assistant") return renderer.assistant(messages, at);
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  const whole = messages.slice(0, last + 1);
  return last < 1 ? { ...renderer.whole(messages, at), spans: [] } : renderer.after(whole, last, at);
}

function requireOne(trainOn: TrainOn | undefined, fitting: readonly TrainOn[], kind: string, { file }: Location): void {
  if (trainOn === undefined || fitting.includes(trainOn)) return;
  throw new UsageError(
    `--train-on ${trainOn} does not go with ${file}, whose rows hold ${kind}: ${fitting.join(" or ")} does.`,
  );
}

function textPlan(text: string): Plan {
  return {
    texts: [text],
    isCut: false,
    assemble: ([tokens], front, eos) => all([...front, ...(tokens as TextTokens).ids, eos()]),
  };
}

function promptPlan(prompt: string, completion: string, isAll: boolean): Plan {
  return {
    texts: [prompt, completion],
    isCut: true,
    assemble: ([before, after], front, eos) => {
      const given = [...front, ...(before as TextTokens).ids];
      const learnt = [...(after as TextTokens).ids, eos()];
      const { inputIds, bearsLoss } = all([...given, ...learnt]);
      return { inputIds, bearsLoss: bearsLoss.map((_, i) => isAll || i >= given.length) };
    },
  };
}

function chatPlan({ text, spans }: MarkedText): Plan {
  return {
    texts: [text],
    isCut: true,
    assemble: ([tokens]) => {
      const { ids, offsets } = tokens as TextTokens;
      return { inputIds: ids, bearsLoss: marksOf(offsets, codePointSpans(text, spans)) };
    },
  };
}

const all = (inputIds: readonly number[]): LanguageTokens => ({ inputIds, bearsLoss: inputIds.map(() => true) });

function eosOf({ eosTokenId }: Tokenizer): number {
  if (eosTokenId !== undefined) return eosTokenId;
  throw new UsageError(
    "The tokenizer names no eos_token in tokenizer_config.json, which texts and completions end with.",
  );
}

/** A first token has nothing before it that it could be foretold from. */
const withoutFirst = ({ inputIds, bearsLoss }: LanguageTokens): LanguageTokens => ({
  inputIds,
  bearsLoss: bearsLoss.map((bears, i) => bears && i > 0),
});

const cut = ({ inputIds, bearsLoss }: LanguageTokens, from: number, to: number): LanguageTokens => ({
  inputIds: inputIds.slice(from, to),
  bearsLoss: bearsLoss.slice(from, to),
});

function pieces(row: LanguageTokens, maxLength: number): LanguageTokens[] {
  const found: LanguageTokens[] = [];
  for (let from = 0; from < row.inputIds.length; from += maxLength)
    found.push(withoutFirst(cut(row, from, from + maxLength)));
  return found;
}

/**
 * What comes of encoding rows. Of a text that the tokenizer refuses, the row is named.
 * @param textsOf the texts of a row that are tokenised
 */
export async function namingRow<Row extends { readonly at: Location }, Result>(
  encoded: Promise<Result>,
  rows: readonly Row[],
  textsOf: (row: Row) => readonly unknown[],
): Promise<Result> {
  try {
    return await encoded;
  } catch (error) {
    const found = error instanceof RefusedText ? rows.find((row) => textsOf(row).includes(error.text)) : undefined;
    throw found ? rowError(found.at.file, found.at.line, (error as RefusedText).message) : error;
  }
}
