/** Examples for language models: text, a prompt with its completion, or a conversation. */
import { type Check, checkArguments, isObject, listOf, own, shown, takes, UsageError } from "../../base/index.js";
import {
  type Conversation,
  HAS_LONE_SURROGATE,
  isWellFormed,
  type Message,
  ROLES,
  type TextPart,
} from "../../text/index.js";
import type { Dataset, Example } from "./example.js";
import { rowError } from "./files/textFile.js";
import { type LoadRowsOptions, loadOptions, loadTable } from "./loadExamples.js";
import { aRowSource, findTextColumns, type RowSource, type Table, type TableRow } from "./table.js";
import { checkCalls, isThere, rowTools, shownValue } from "./toolColumns.js";

/** A text or a conversation: its messages, or these with their tools. */
export type TextOrMessages = string | readonly Message[] | Conversation;

/** What a language model is trained on or prompted with. */
export type LanguageInput =
  | { readonly kind: "text"; readonly text: string }
  | ({ readonly kind: "messages" } & Conversation)
  | {
      readonly kind: "prompt";
      readonly prompt: TextOrMessages;
      readonly completion: string | readonly Message[] | undefined;
      /** Several equally good completions instead of one. */
      readonly references?: readonly string[];
    };

/** An example for a language model; what it is trained to predict is part of the input. */
export type LanguageExample = Example<LanguageInput, undefined>;

type Kind = LanguageInput["kind"];

/** The usual columns of each kind of row. */
const COLUMNS: Readonly<Record<Kind, readonly string[]>> = {
  messages: ["messages"],
  prompt: ["prompt", "completion"],
  text: ["text"],
};
/** The column that replaces the completion. */
const REFERENCES = "references";
const EXPECTED = "messages, or prompt and completion, or text";

/**
 * Examples for language models: `{"messages": [{"role", "content"}, …]}`, `{"prompt", "completion"}` or `{"text"}`, in training all of one
 * kind. Conversations may have `tools` and `chat_template_kwargs`. One `--text-columns` column holds texts or messages, two hold prompts and completions.
 * @throws BidoraError naming a row of another kind, or what is wrong in it
 */
export async function loadLanguage(file: RowSource, options: LoadRowsOptions = {}): Promise<Dataset<LanguageExample>> {
  checkArguments("loadLanguage", ["file", file, aRowSource], ["options", options, loadOptions]);
  const table = await loadTable(file, options);
  const named = namedColumns(table, options);
  const isPrompt = options.labels === "optional";
  const examples = table.rows.map((row): LanguageExample => {
    const kind = named ? kindOfNamed(row, named) : kindOf(table, row);
    const input = inputOf(new LanguageRow(table, row), kind, named ?? COLUMNS[kind], isPrompt);
    return { input, label: undefined, at: { file: table.file, line: row.line } };
  });
  if (!isPrompt) checkOneKind(examples);
  const text = named ?? COLUMNS[examples[0]?.input.kind ?? "text"];
  return { examples, labelNames: undefined, columns: { text, label: undefined } };
}

/** The columns given by flag, else those of the training run if the file has them. @throws BidoraError for a missing column */
function namedColumns(table: Table, options: LoadRowsOptions): readonly string[] | undefined {
  const { textColumns, usualTextColumns, labelColumns } = options;
  if (labelColumns !== undefined)
    throw new UsageError(
      `No effect: --label-column ${labelColumns} names a label, but rows for language models have none.`,
    );
  // A prompt alone needs no completion.
  const isNeeded = (name: string, i: number) =>
    i === 0 || options.labels !== "optional" || table.columns.includes(name);
  if (textColumns) return findTextColumns(table, textColumns.filter(isNeeded));
  return usualTextColumns?.every((name) => table.columns.includes(name)) ? usualTextColumns : undefined;
}

function kindOfNamed({ values }: TableRow, [first, second]: readonly string[]): Kind {
  if (second !== undefined) return "prompt";
  return Array.isArray(own(values, first as string)) ? "messages" : "text";
}

function kindOf({ file }: Table, { values, line }: TableRow): Kind {
  const kinds = (Object.keys(COLUMNS) as Kind[]).filter((kind) =>
    COLUMNS[kind].some((column) => isThere(own(values, column))),
  );
  const [kind] = kinds;
  if (kind !== undefined && kinds.length === 1) return kind;
  const has = kinds.length > 1 ? kinds.join(" and ") : Object.keys(values).join(", ") || "nothing";
  throw rowError(file, line, `expected ${EXPECTED}, but the row has ${has}.`);
}

function inputOf(
  reader: LanguageRow,
  kind: Kind,
  [first, second]: readonly string[],
  isPrompt: boolean,
): LanguageInput {
  const column = first as string;
  if (kind === "messages") return { kind, ...reader.conversation(reader.messages(column)) };
  if (kind === "text") return { kind, text: reader.withoutTools(reader.text(column)) };
  const prompt = reader.textOrMessages(column);
  if (reader.has(REFERENCES))
    return { kind, prompt: reader.prompt(prompt), completion: undefined, references: reader.references() };
  const lacksMore = second === undefined || (isPrompt && !reader.has(second));
  const completion = lacksMore ? undefined : reader.textOrMessages(second);
  if (completion === undefined || typeof prompt === typeof completion)
    return { kind, prompt: reader.prompt(prompt, completion), completion };
  throw reader.error(`${column} and ${second} must both be strings, or both be lists of messages.`);
}

/** All rows of a file are of one kind, so that `--train-on` means the same for each. */
function checkOneKind(examples: readonly LanguageExample[]): void {
  const [first] = examples;
  const other = examples.find(({ input }) => input.kind !== first?.input.kind);
  if (!first || !other) return;
  const { file, line } = other.at;
  throw rowError(
    file,
    line,
    `the row has ${other.input.kind}, but line ${first.at.line} has ${first.input.kind}: split the file by kind.`,
  );
}

/** Reads the values of one row. */
export class LanguageRow {
  constructor(
    private readonly table: Table,
    private readonly row: TableRow,
  ) {}

  error(fault: string): Error {
    return rowError(this.table.file, this.row.line, fault);
  }

  has(column: string): boolean {
    return isThere(own(this.row.values, column));
  }

  text(column: string): string {
    return this.wellFormed(own(this.row.values, column), column);
  }

  /** At least one completion. */
  references(): readonly string[] {
    if (this.has("completion")) throw this.error(`a row can't have both completion and ${REFERENCES}: remove one.`);
    const value = own(this.row.values, REFERENCES);
    if (!Array.isArray(value) || value.length === 0)
      throw this.error(`${REFERENCES} must be a non-empty list of strings, but is ${shownValue(value)}.`);
    return value.map((text, i) => this.wellFormed(text, `${REFERENCES}[${i}]`));
  }

  /** @throws BidoraError for a row that has tools, which texts can't use */
  withoutTools(text: string): string {
    const { tools, chatTemplateKwargs } = rowTools(this.row.values, (fault) => this.error(fault));
    if (tools || chatTemplateKwargs)
      throw this.error(
        `${tools ? "tools are" : "chat_template_kwargs is"} for rows with messages, and this one has a text.`,
      );
    return text;
  }

  /** Messages with the row's tools. @param more messages after them, which are checked with them */
  conversation(messages: readonly Message[], more: readonly Message[] = []): Conversation {
    const error = (fault: string) => this.error(fault);
    const own = rowTools(this.row.values, error);
    checkCalls({ ...own, messages: [...messages, ...more] }, error);
    return { messages, ...own };
  }

  /** A prompt, as a list of messages if the row has no tools. */
  prompt(prompt: string | readonly Message[], completion?: string | readonly Message[]): TextOrMessages {
    if (typeof prompt === "string") return this.withoutTools(prompt);
    const conversation = this.conversation(prompt, typeof completion === "string" ? [] : completion);
    return conversation.tools || conversation.chatTemplateKwargs ? conversation : prompt;
  }

  textOrMessages(column: string): string | Message[] {
    return Array.isArray(own(this.row.values, column)) ? this.messages(column) : this.text(column);
  }

  messages(column: string): Message[] {
    const value = own(this.row.values, column);
    if (!Array.isArray(value) || value.length === 0)
      throw this.error(`${column} must be a non-empty list of messages, but is ${shownValue(value)}.`);
    return value.map((message, i) => this.message(message, `${column}[${i}]`));
  }

  private message(value: unknown, place: string): Message {
    if (!isObject(value)) throw this.error(`${place} must be {"role", "content"}, but is ${shownValue(value)}.`);
    const { role, content } = { role: own(value, "role"), content: own(value, "content") };
    if (!ROLES.some((known) => known === role))
      throw this.error(`${place} must have a role, one of ${ROLES.join(", ")}, but it is ${shownValue(role)}.`);
    const hasCalls = role === "assistant" && hasEntries(own(value, "tool_calls"));
    if (!isThere(content) && !hasCalls) throw this.error(`${place} has no content: expected a string.`);
    const isKept = ([name, field]: [string, unknown]) => (name === "tool_calls" ? hasEntries(field) : isThere(field));
    const fields = Object.entries(value)
      .filter(isKept)
      .map(([name, field]) => [name, this.named(name, field, `${place}.${name}`, hasCalls)]);
    return Object.fromEntries(fields) as Message;
  }

  /** Calls are checked with the tools. */
  private named(name: string, field: unknown, place: string, hasCalls: boolean): Message[string] {
    if (name === "tool_calls" && hasCalls) return field as Message[string];
    if (name === "tool_calls") throw this.error(`${place} is for messages of the assistant.`);
    return this.field(field, place, name === "content");
  }

  private field(value: unknown, place: string, isContent: boolean): Message[string] {
    if (isContent && Array.isArray(value)) return value.map((part, i) => this.part(part, `${place}[${i}]`));
    return !isContent && typeof value === "boolean" ? value : this.wellFormed(value, place);
  }

  private part(value: unknown, place: string): TextPart {
    const isText = isObject(value) && own(value, "type") === "text";
    if (!isText) throw this.error(`${place} must be {"type": "text", "text"}, but is ${shownValue(value)}.`);
    return { type: "text", text: this.wellFormed(own(value, "text"), `${place}.text`) };
  }

  private wellFormed(value: unknown, place: string): string {
    if (typeof value !== "string") throw this.error(`${place} must be a string, but is ${shownValue(value)}.`);
    if (isWellFormed(value)) return value;
    throw this.error(`${place} ${HAS_LONE_SURROGATE}.`);
  }
}

/** Calls that are no list are refused later; an empty list is none. */
const hasEntries = (calls: unknown): boolean => isThere(calls) && !(Array.isArray(calls) && calls.length === 0);

// Prompts as arguments of a call

const isMessage = (value: unknown): boolean =>
  isObject(value) &&
  (ROLES as readonly unknown[]).includes(value.role) &&
  (value.content !== undefined || value.tool_calls !== undefined);

const areMessages = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isMessage);

const isTextOrMessages = (value: unknown): boolean =>
  typeof value === "string" || areMessages(value) || (isObject(value) && areMessages(value.messages));

/** A text or a conversation. */
export const textOrMessages = takes(
  `a string, a list of messages such as [{ role: "user", content: "…" }], or { messages, tools }`,
  isTextOrMessages,
);

const LIST = listOf("a list of prompts, each a string or a list of messages", textOrMessages);

/** A list of prompts. A single text or conversation would be read as a list of its characters or messages. */
export const promptList: Check = (value, subject) => {
  if (isTextOrMessages(value))
    throw new UsageError(`${subject} takes a list of prompts; got one, ${shown(value)}: put it into a list.`);
  LIST(value, subject);
};
