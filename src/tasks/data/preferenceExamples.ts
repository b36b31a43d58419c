/** Examples of preferences: a prompt with answers of which one is better, or with one answer that is good or bad. */
import { checkArguments, own, UsageError } from "../../base/index.js";
import type { Conversation, Message } from "../../text/index.js";
import type { Dataset, Example } from "./example.js";
import { LanguageRow } from "./languageExamples.js";
import { type LoadRowsOptions, loadOptions, loadTable } from "./loadExamples.js";
import { aRowSource, type RowSource, type Table, type TableRow } from "./table.js";

/** A text, or messages. */
type Writing = string | readonly Message[];

/** A prompt, which reward models can do without, and its answers: the chosen and the rejected one, or a single one. */
export interface PreferenceInput {
  readonly prompt: Writing | undefined;
  readonly answers: readonly Writing[];
  /** What a chat template gets besides messages. */
  readonly around?: Omit<Conversation, "messages"> | undefined;
}

export interface PreferenceLabel {
  /** Whether a single answer is good. */
  readonly isGood?: boolean;
  /** How much better the chosen answer is, for reward models. */
  readonly margin?: number;
}

export type PreferenceExample = Example<PreferenceInput, PreferenceLabel>;

/** What rows a task takes. */
interface PreferenceRows {
  /** Whether they are for reward models: pairs, perhaps without a prompt, perhaps with a margin; single answers only to predict. */
  readonly isOfRewards?: boolean;
}

/**
 * Reads `{prompt, chosen, rejected}` or `{prompt, completion, label}`, strings or lists of messages. `chosen` and `rejected` may be whole
 * conversations that are equal up to the last answer.
 * @throws BidoraError naming a row and what is wrong in it
 */
export async function loadPreferences(
  file: RowSource,
  options: LoadRowsOptions = {},
  rows: PreferenceRows = {},
): Promise<Dataset<PreferenceExample>> {
  checkArguments("loadPreferences", ["file", file, aRowSource], ["options", options, loadOptions]);
  if (options.textColumns || options.labelColumns)
    throw new UsageError(
      `No effect: rows of preferences have the columns prompt, chosen and rejected, or prompt, completion and label; leave out ${options.textColumns ? "--text-columns" : "--label-column"}.`,
    );
  const table = await loadTable(file, options);
  const isLabeled = options.labels !== "optional";
  const examples = table.rows.map((row) => exampleOf(table, row, rows, isLabeled));
  return { examples, labelNames: undefined };
}

function exampleOf(table: Table, row: TableRow, rows: PreferenceRows, isLabeled: boolean): PreferenceExample {
  const reader = new LanguageRow(table, row);
  const at = { file: table.file, line: row.line };
  if (reader.has("chosen") || reader.has("rejected")) {
    const input = withTools(reader, pairOf(reader, rows));
    checkAnswers(reader, input, ["chosen", "rejected"]);
    const margin = rows.isOfRewards && reader.has("margin") ? { margin: numberIn(reader, row, "margin") } : {};
    return { input, label: margin, at };
  }
  if (!reader.has("completion"))
    throw reader.error("expected prompt, chosen and rejected, or prompt and completion: the row has neither.");
  if (rows.isOfRewards && isLabeled)
    throw reader.error("expected chosen and rejected: a reward is learned from pairs.");
  const input = withTools(reader, { prompt: promptOf(reader, rows), answers: [reader.textOrMessages("completion")] });
  checkAnswers(reader, input, ["completion"]);
  return { input, label: isLabeled ? { isGood: goodness(reader, row) } : undefined, at };
}

function pairOf(reader: LanguageRow, rows: PreferenceRows): PreferenceInput {
  const answers = [reader.textOrMessages("chosen"), reader.textOrMessages("rejected")] as const;
  const [chosen, rejected] = answers;
  const isOfMessages = typeof chosen !== "string" && typeof rejected !== "string";
  if (reader.has("prompt") || !isOfMessages) return { prompt: promptOf(reader, rows), answers };
  return splitConversations(reader, [chosen, rejected], rows);
}

/** With the row's tools, against which the calls in each answer are checked. */
function withTools(reader: LanguageRow, input: PreferenceInput): PreferenceInput {
  const { prompt = [], answers } = input;
  const [around] = answers.map((answer) => {
    if (typeof answer === "string" || typeof prompt === "string") return void reader.withoutTools("");
    const { messages: _, ...own } = reader.conversation(prompt, answer);
    return own;
  });
  return around ? { ...input, around } : input;
}

function promptOf(reader: LanguageRow, { isOfRewards }: PreferenceRows): Writing | undefined {
  if (reader.has("prompt")) return reader.textOrMessages("prompt");
  if (isOfRewards) return undefined;
  throw reader.error("the row has no prompt: answers that are strings need one.");
}

/** The prompt is what both conversations have in common before their last answer. */
function splitConversations(
  reader: LanguageRow,
  [chosen, rejected]: readonly [readonly Message[], readonly Message[]],
  { isOfRewards }: PreferenceRows,
): PreferenceInput {
  const prompts = [chosen, rejected].map((messages) => messages.slice(0, -1));
  const isCommon = JSON.stringify(prompts[0]) === JSON.stringify(prompts[1]);
  if (isOfRewards && !(isCommon && prompts[0]!.length > 0)) return { prompt: undefined, answers: [chosen, rejected] };
  if (!isCommon)
    throw reader.error(
      "chosen and rejected are conversations whose messages before the last answer differ: give what they have in common as prompt.",
    );
  if (prompts[0]!.length === 0) throw reader.error("chosen and rejected are answers without a prompt: give one.");
  return { prompt: prompts[0]!, answers: [chosen.slice(-1), rejected.slice(-1)] };
}

/** @throws BidoraError for answers that teach nothing, or another kind than the prompt */
function checkAnswers(reader: LanguageRow, { prompt, answers }: PreferenceInput, names: readonly string[]): void {
  for (const [i, answer] of answers.entries()) {
    if (isEmpty(answer)) throw reader.error(`${names[i]} is empty: expected an answer.`);
    if (typeof (prompt ?? answers[0]) !== typeof answer)
      throw reader.error(
        `${prompt === undefined ? names[0] : "prompt"} and ${names[i]} must both be strings, or both be lists of messages.`,
      );
  }
  const [first, second] = answers;
  if (second !== undefined && JSON.stringify(first) === JSON.stringify(second))
    throw reader.error("chosen and rejected are equal: one must be better, or remove the row.");
}

const isEmpty = (answer: Writing): boolean =>
  typeof answer === "string" ? answer === "" : answer.every(({ content, tool_calls: calls }) => !content && !calls);

function goodness(reader: LanguageRow, { values }: TableRow): boolean {
  const label = own(values, "label");
  if (label === true || label === 1 || label === "true") return true;
  if (label === false || label === 0 || label === "false") return false;
  throw reader.error(
    `label must be true for a good completion or false for a bad one, but is ${JSON.stringify(label) ?? "missing"}.`,
  );
}

function numberIn(reader: LanguageRow, { values }: TableRow, column: string): number {
  const value = own(values, column);
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw reader.error(`${column} must be a number, but is ${JSON.stringify(value)}.`);
}
