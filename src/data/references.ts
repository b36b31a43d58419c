import { group } from "d3-array";
import { UsageError } from "../common/errors.js";
import { where } from "./example.js";
import { type LanguageExample, loadLanguage, type Writing } from "./languageRows.js";
import { loadTable } from "./load.js";
import { isAbsent } from "./table.js";
import { rowError } from "./textFile.js";

/** A prompt, and all that was written to go on from it. */
export interface Meaning {
  /** The first row with this prompt, without what goes on from it. */
  readonly example: LanguageExample;
  /** Without space around them. */
  readonly references: readonly string[];
}

/**
 * Rows with one prompt are one meaning with several references, in the order in which prompts come up.
 * @throws UsageError for a row without a prompt and what goes on from it
 */
export function meaningsOf(examples: readonly LanguageExample[]): Meaning[] {
  const byPrompt = new Map<string, { example: LanguageExample; references: string[] }>();
  for (const example of examples) {
    const { prompt, references } = partsOf(example);
    const key = JSON.stringify(prompt);
    const known = byPrompt.get(key);
    if (known) known.references.push(...references);
    else byPrompt.set(key, { example: { ...example, input: asked(prompt) }, references: [...references] });
  }
  return [...byPrompt.values()];
}

const asked = (prompt: Writing): LanguageExample["input"] => ({ kind: "prompt", prompt, completion: undefined });

function partsOf({ input, at }: LanguageExample): { prompt: Writing; references: readonly string[] } {
  if (input.kind === "prompt") {
    const written = input.references ?? [textOf(input.completion)];
    if (written.every((text) => text !== undefined)) return { prompt: input.prompt, references: trimmed(written) };
  }
  if (input.kind === "messages" && input.messages.at(-1)?.role === "assistant") {
    const answer = textOf(input.messages.slice(-1)) ?? "";
    return { prompt: input.messages.slice(0, -1), references: trimmed([answer]) };
  }
  throw new UsageError(
    `${where(at)}: texts can be judged only where a prompt is followed by a completion, by references or by an assistant's answer.`,
  );
}

const trimmed = (texts: readonly string[]): string[] => texts.map((text) => text.trim());

/** What a writing says, without who says it. */
function textOf(writing: Writing | undefined): string | undefined {
  if (writing === undefined || typeof writing === "string") return writing;
  return writing.map(({ content }) => contentOf(content)).join("\n");
}

function contentOf(content: unknown): string {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part: { text?: unknown }) => String(part.text ?? "")).join("") : "";
}

/** The rows of the first so many prompts, all of each: a prompt is judged by all of its references. */
export function rowsOfPrompts(examples: readonly LanguageExample[], count: number): LanguageExample[] {
  const keys = examples.map((example) => JSON.stringify(partsOf(example).prompt));
  const taken = new Set([...new Set(keys)].slice(0, count));
  return examples.filter((_, i) => taken.has(keys[i] as string));
}

/** Numbers of rows, from 0, that belong together: those with one prompt. A row without a prompt is a group of its own. */
export function rowsByPrompt(examples: readonly LanguageExample[]): number[][] {
  return [...group(examples.keys(), (row) => JSON.stringify(promptOf(examples[row]!.input) ?? row)).values()];
}

function promptOf(input: LanguageExample["input"]): Writing | undefined {
  if (input.kind === "prompt") return input.prompt;
  return input.kind === "messages" ? input.messages.slice(0, -1) : undefined;
}

/** What a row's text is compared with. */
export interface References extends Pick<Meaning, "references"> {
  /** What the row's prompt is told from others by; undefined for a row without one. */
  readonly prompt: string | undefined;
}

/**
 * The references of rows, whose prompts may be missing: `references`, a list of texts, `completion`, a text, or a conversation's
 * last answer.
 * @throws BidoraError naming the row that has none
 */
export async function loadReferences(file: string): Promise<References[]> {
  const table = await loadTable(file);
  if (table.columns.includes("messages")) {
    const { examples } = await loadLanguage(file);
    return examples.map(partsOf).map(({ prompt, references }) => ({ prompt: JSON.stringify(prompt), references }));
  }
  return table.rows.map(({ values, line }) => {
    const { prompt, references, completion } = values as Readonly<Record<string, unknown>>;
    if (!isAbsent(references) && !isAbsent(completion))
      throw rowError(file, line, "completion and references exclude each other: leave one out.");
    const found = references ?? (typeof completion === "string" ? [completion] : undefined);
    const isList = Array.isArray(found) && found.length > 0 && found.every((text) => typeof text === "string");
    if (!isList) throw rowError(file, line, "a row holds references, a list of texts, or completion, a text.");
    return { prompt: prompt === undefined ? undefined : JSON.stringify(prompt), references: trimmed(found) };
  });
}

/** Rows with one prompt as one, with the references of all. */
export function byPrompt(rows: readonly References[]): References[] {
  const found = new Map<string, string[]>();
  for (const { prompt = "", references } of rows) found.set(prompt, [...(found.get(prompt) ?? []), ...references]);
  return [...found].map(([prompt, references]) => ({ prompt, references }));
}
