import { UsageError } from "../common/errors.js";
import { own } from "../common/own.js";
import { isWhole, type Message, ROLES, type TextPart } from "../text/index.js";
import type { Dataset, Example } from "./example.js";
import { type LoadOptions, loadTable } from "./load.js";
import type { Table, TableRow } from "./table.js";
import { rowError } from "./textFile.js";

/** A text or a conversation. */
export type Writing = string | readonly Message[];

/** What a language model learns from, or is asked. */
export type LanguageInput =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "messages"; readonly messages: readonly Message[] }
  | { readonly kind: "prompt"; readonly prompt: Writing; readonly completion: Writing | undefined };

/** A row for a language model: its label, if it has one, is part of it. */
export type LanguageExample = Example<LanguageInput, undefined>;

type Kind = LanguageInput["kind"];

/** The columns of each kind of row; the first is what tells it. */
const COLUMNS: Readonly<Record<Kind, readonly string[]>> = {
  messages: ["messages"],
  prompt: ["prompt", "completion"],
  text: ["text"],
};
const EXPECTED = "messages, or prompt and completion, or text";

/**
 * Rows for language models: `{"messages": [{"role", "content"}, …]}`, `{"prompt", "completion"}` or `{"text"}`, all of one kind.
 * @throws UsageError for columns named by hand, BidoraError naming the row of another kind, or what is wrong in it
 */
export async function loadLanguage(file: string, options: LoadOptions = {}): Promise<Dataset<LanguageExample>> {
  refuseColumns(options);
  const table = await loadTable(file, options);
  const examples = table.rows.map((row): LanguageExample => {
    const kind = kindOf(table, row);
    const at = { file, line: row.line };
    return { input: inputOf(new Reader(table, row), kind, options.labels === "optional"), label: undefined, at };
  });
  checkOneKind(examples);
  const kind = examples[0]?.input.kind ?? "text";
  return { examples, labelNames: undefined, columns: { text: COLUMNS[kind], label: undefined } };
}

/** @throws UsageError */
function refuseColumns({ textColumns, labelColumns }: LoadOptions): void {
  const given = textColumns ? "--text-columns" : labelColumns && "--label-column";
  if (given)
    throw new UsageError(`No effect: ${given}, since rows for language models hold ${EXPECTED}; leave it out.`);
}

const isThere = (value: unknown): boolean => value !== undefined && value !== null;

function kindOf(table: Table, { values, line }: TableRow): Kind {
  const there = (column: string) => isThere(own(values, column));
  if (there("tools")) throw rowError(table.file, line, "the row has tools, which are not supported: leave them out.");
  const kinds = (Object.keys(COLUMNS) as Kind[]).filter((kind) => COLUMNS[kind].some(there));
  const [kind] = kinds;
  if (kind === undefined)
    throw rowError(
      table.file,
      line,
      `a row holds ${EXPECTED}, but this one has ${Object.keys(values).join(", ") || "nothing"}.`,
    );
  if (kinds.length === 1) return kind;
  throw rowError(table.file, line, `the row has ${kinds.join(" and ")}, but it may hold either ${EXPECTED} alone.`);
}

function inputOf(reader: Reader, kind: Kind, isPrompt: boolean): LanguageInput {
  if (kind === "text") return { kind, text: reader.text("text") };
  if (kind === "messages") return { kind, messages: reader.messages("messages") };
  const prompt = reader.writing("prompt");
  const completion = isPrompt && !reader.has("completion") ? undefined : reader.writing("completion");
  if (completion === undefined || typeof prompt === typeof completion) return { kind, prompt, completion };
  throw reader.error("prompt and completion must both be texts, or both be lists of messages.");
}

/** A file is of one kind, so that what `--train-on` says goes for all of it. */
function checkOneKind(examples: readonly LanguageExample[]): void {
  const [first] = examples;
  const other = examples.find(({ input }) => input.kind !== first?.input.kind);
  if (!first || !other) return;
  const { file, line } = other.at;
  const [here, before] = [other, first].map(({ input }) => COLUMNS[input.kind].join(" and "));
  throw rowError(file, line, `the row has ${here}, but line ${first.at.line} has ${before}: split the file by kind.`);
}

/** Reads the values of one row. */
class Reader {
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

  writing(column: string): Writing {
    return Array.isArray(own(this.row.values, column)) ? this.messages(column) : this.text(column);
  }

  messages(column: string): Message[] {
    const value = own(this.row.values, column);
    if (!Array.isArray(value) || value.length === 0)
      throw this.error(`${column} must be a list of messages with at least one, but is ${shown(value)}.`);
    return value.map((message, i) => this.message(message, `${column}[${i}]`));
  }

  private message(value: unknown, place: string): Message {
    if (!isObject(value)) throw this.error(`${place} must be {"role", "content"}, but is ${shown(value)}.`);
    const { role, content } = { role: own(value, "role"), content: own(value, "content") };
    if (!ROLES.some((known) => known === role))
      throw this.error(`${place} must have a role, one of ${ROLES.join(", ")}, but it is ${shown(role)}.`);
    if (!isThere(content)) throw this.error(`${place} has no content: a text is expected.`);
    const given = Object.entries(value).filter(([, field]) => isThere(field));
    const fields = given.map(([name, field]) => [name, this.field(field, `${place}.${name}`, name === "content")]);
    return Object.fromEntries(fields) as Message;
  }

  private field(value: unknown, place: string, isContent: boolean): Message[string] {
    if (isContent && Array.isArray(value)) return value.map((part, i) => this.part(part, `${place}[${i}]`));
    return !isContent && typeof value === "boolean" ? value : this.wellFormed(value, place);
  }

  private part(value: unknown, place: string): TextPart {
    const isText = isObject(value) && own(value, "type") === "text";
    if (!isText) throw this.error(`${place} must be {"type": "text", "text"}, but is ${shown(value)}.`);
    return { type: "text", text: this.wellFormed(own(value, "text"), `${place}.text`) };
  }

  private wellFormed(value: unknown, place: string): string {
    if (typeof value !== "string") throw this.error(`${place} must be a text, but is ${shown(value)}.`);
    if (isWhole(value)) return value;
    throw this.error(`${place} has half of a character (a lone surrogate such as \\ud83d): put the text right.`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const shown = (value: unknown): string =>
  value === undefined ? "missing" : (JSON.stringify(value, numbersToo) ?? String(value)).slice(0, 60);

/** Parquet has whole numbers that JSON can't write. */
const numbersToo = (_: string, value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
