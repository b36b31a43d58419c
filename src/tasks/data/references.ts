/** Prompts and the references that generated text is scored against. */
import { group } from "d3-array";
import { UsageError } from "../../base/index.js";
import { type Conversation, upTo } from "../../text/index.js";
import { type Location, where } from "./example.js";
import { rowError } from "./files/textFile.js";
import { type LanguageExample, loadLanguage, type TextOrMessages } from "./languageExamples.js";
import { loadTable } from "./loadExamples.js";
import { isAbsent } from "./table.js";

/** A prompt and all its references. */
export interface PromptWithReferences {
  /** The first example with this prompt, without its completion. */
  readonly example: LanguageExample;
  /** Trimmed. */
  readonly references: readonly string[];
  /** Where its examples are from. */
  readonly rows: readonly Location[];
}

/**
 * Groups examples by prompt, in the order of the prompts' first examples.
 * @throws UsageError for an example without a prompt or references
 */
export function promptsWithReferences(examples: readonly LanguageExample[]): PromptWithReferences[] {
  const byPrompt = new Map<string, { example: LanguageExample; references: string[]; rows: Location[] }>();
  for (const example of examples) {
    const { prompt, references } = partsOf(example);
    const key = JSON.stringify(prompt);
    const known = byPrompt.get(key);
    const { at } = example;
    if (known) {
      known.references.push(...references);
      known.rows.push(at);
    } else {
      const first = { ...example, input: promptOnly(prompt) };
      byPrompt.set(key, { example: first, references: [...references], rows: [at] });
    }
  }
  return [...byPrompt.values()];
}

const promptOnly = (prompt: TextOrMessages): LanguageExample["input"] => ({
  kind: "prompt",
  prompt,
  completion: undefined,
});

function partsOf({ input, at }: LanguageExample): { prompt: TextOrMessages; references: readonly string[] } {
  if (input.kind === "prompt") {
    const written = input.references ?? [textOf(input.completion)];
    if (written.every((text) => text !== undefined)) return { prompt: input.prompt, references: trimmed(written) };
  }
  const last = input.kind === "messages" ? input.messages.at(-1) : undefined;
  if (last?.tool_calls)
    throw new UsageError(`${where(at)}: the answer calls tools, which can't be scored as text: leave the row out.`);
  if (input.kind === "messages" && last?.role === "assistant") {
    const answer = textOf(input.messages.slice(-1)) ?? "";
    return { prompt: beforeAnswer(input), references: trimmed([answer]) };
  }
  throw new UsageError(
    `${where(at)}: text can be scored only if a prompt has a completion, references or an assistant's answer.`,
  );
}

/** A conversation without its last message: a list, unless it has tools. */
function beforeAnswer({ messages, tools, chatTemplateKwargs }: Conversation): TextOrMessages {
  const before = upTo({ messages, tools, chatTemplateKwargs }, messages.length - 1);
  return tools || chatTemplateKwargs ? before : before.messages;
}

const trimmed = (texts: readonly string[]): string[] => texts.map((text) => text.trim());

/** The text of a completion, without the roles of its messages. */
function textOf(writing: string | Conversation["messages"] | undefined): string | undefined {
  if (writing === undefined || typeof writing === "string") return writing;
  return writing.map(({ content }) => contentOf(content)).join("\n");
}

function contentOf(content: unknown): string {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part: { text?: unknown }) => String(part.text ?? "")).join("") : "";
}

/** All examples of the first `count` prompts: a prompt is scored against all its references. */
export function examplesOfPrompts(examples: readonly LanguageExample[], count: number): LanguageExample[] {
  const keys = examples.map((example) => JSON.stringify(partsOf(example).prompt));
  const taken = new Set([...new Set(keys)].slice(0, count));
  return examples.filter((_, i) => taken.has(keys[i] as string));
}

/** Example numbers, from 0, grouped by prompt. An example without a prompt is a group by itself. */
export function examplesByPrompt(examples: readonly LanguageExample[]): number[][] {
  return [...group(examples.keys(), (row) => JSON.stringify(promptOf(examples[row]!.input) ?? row)).values()];
}

function promptOf(input: LanguageExample["input"]): TextOrMessages | undefined {
  if (input.kind === "prompt") return input.prompt;
  return input.kind === "messages" ? beforeAnswer(input) : undefined;
}

/** The references of a row. */
export interface References extends Pick<PromptWithReferences, "references"> {
  /** Equal for equal prompts; undefined for a row without one. */
  readonly prompt: string | undefined;
}

/**
 * The references of each row, with or without a prompt: the list `references`, the text `completion`, or a conversation's last answer.
 * @throws BidoraError naming a row that has none
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
      throw rowError(file, line, "a row can't have both completion and references: remove one.");
    const found = references ?? (typeof completion === "string" ? [completion] : undefined);
    const isList = Array.isArray(found) && found.length > 0 && found.every((text) => typeof text === "string");
    if (!isList) throw rowError(file, line, "expected references (a list of strings) or completion (a string).");
    return { prompt: prompt === undefined ? undefined : JSON.stringify(prompt), references: trimmed(found) };
  });
}

/** Joins rows with the same prompt. */
export function byPrompt(rows: readonly References[]): References[] {
  const found = new Map<string, string[]>();
  for (const { prompt = "", references } of rows) found.set(prompt, [...(found.get(prompt) ?? []), ...references]);
  return [...found].map(([prompt, references]) => ({ prompt, references }));
}
