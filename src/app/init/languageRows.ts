/** Rows for language models: conversations, prompts with completions, texts. */
import { UsageError } from "../../base/index.js";
import { usualLabelColumns } from "../../tasks/data/index.js";
import type { Column } from "./columns.js";
import { columnName, columnsNamed, type Guess, type Guessed, listed, type Rows } from "./guess.js";

const TASK = "causal-lm";

/** Rows with the usual columns of a conversation, or of a prompt and its completion. */
export function guessLanguage(rows: Rows, given: Guessed): Guess | undefined {
  if (given.task !== undefined && given.task !== TASK) return undefined;
  if (given.labelColumn !== undefined && given.task === undefined) return undefined;
  if (given.textColumns) return given.task === TASK ? language(given, [], given.textColumns) : undefined;
  const [messages] = columnsNamed(rows, ["messages"]);
  if (messages?.shape === "messages")
    return { ...language(given, ["messages holds conversations: causal-lm."], ["messages"]), isChat: true };
  const [prompt, completion] = columnsNamed(rows, ["prompt", "completion", "references"]);
  if (prompt?.name === "prompt" && completion)
    return language(given, [`prompt and ${completion.name}: causal-lm.`], [prompt.name, completion.name]);
  return pairOf(rows, given);
}

/** @param columns read, by their usual names unless the settings name them */
const language = (given: Guessed, reasons: readonly string[], columns: readonly string[]): Guess => ({
  settings: { ...given, task: TASK },
  reasons,
  open: [],
  columns,
});

/** Names of a prompt and of what should follow it. */
const PAIRS = [
  ["instruction", "output"],
  ["instruction", "response"],
  ["question", "answer"],
  ["prompt", "response"],
  ["prompt", "answer"],
  ["input", "output"],
  ["input", "response"],
  ["source", "target"],
  ["text", "summary"],
  ["document", "summary"],
  ["article", "highlights"],
] as const;

/** Parts of a prompt that would be lost. */
const PARTS = ["input", "context", "system"];

/** Nothing beside a label, which says that the pair is to be classified, unless the task is given. */
function pairOf(rows: Rows, given: Guessed): Guess | undefined {
  if (given.task === undefined && usualLabelColumns(rows.table).length > 0) return undefined;
  const pair = PAIRS.map((names) => columnsNamed(rows, names)).find(
    (columns) =>
      columns.length === 2 && columns.every(isString) && columns[1]!.counts.size > columns[1]!.values.length / 2,
  );
  if (!pair) return undefined;
  const part = columnsNamed(rows, PARTS).find((column) => !pair.includes(column) && column.values.length > 0);
  if (part)
    throw new UsageError(
      `${rows.table.file}: a row's prompt is in ${listed(pair.slice(0, 1))} and ${columnName(part)}, but one column is read: join them in one, or leave ${columnName(part)} out with --task causal-lm --text-columns ${listed(pair).replace(", ", ",")}.`,
    );
  const names = pair.map(({ name }) => name);
  const reason = `${listed(pair.slice(0, 1))} is the prompt and ${listed(pair.slice(1))} its completion: causal-lm.`;
  return language({ ...given, textColumns: names }, [reason], names);
}

const isString = ({ shape }: Column): boolean => shape === "text" || shape === "name";

/** Texts without a label: prompts with completions in two columns, or texts in one. */
export function guessTexts(rows: Rows, given: Guessed): Guess | undefined {
  if ((given.task !== undefined && given.task !== TASK) || given.labelColumn !== undefined) return undefined;
  const texts = rows.columns.filter(({ shape }) => shape === "text");
  const usual = texts.find(({ name }) => name === "text");
  if (given.textColumns) return language(given, [], given.textColumns);
  if (usual) return language(given, whyText(usual, given), [usual.name]);
  const [first, second, ...more] = texts;
  if (!first) return undefined;
  const chosen = !second ? [first] : more.length === 0 ? [first, second] : [longest(texts) as Column];
  const names = chosen.map(({ name }) => name);
  const why = second && chosen.length > 1 ? whyPair(first, second) : whyText(chosen[0] as Column, given);
  const choices = [names, ...(chosen.length > 1 ? [names.toReversed()] : []), ...texts.map(({ name }) => [name])];
  return {
    ...language({ ...given, textColumns: names }, why, names),
    open: second
      ? [
          {
            key: "textColumns",
            text: `${listed(texts)} hold texts: which are the prompt and its completion, or the text?`,
            choices: distinct(choices),
          },
        ]
      : [],
  };
}

const whyText = (text: Column, { task }: Guessed): string[] =>
  task === TASK ? [] : [`${columnName(text)} holds texts, and no column could be their label: causal-lm.`];

const whyPair = (prompt: Column, completion: Column): string[] => [
  `${columnName(prompt)} is the prompt and ${columnName(completion)} for its completion, since no column could be a label: causal-lm; --text-columns names one column of texts, or two in another order.`,
];

const distinct = (lists: readonly (readonly string[])[]) =>
  lists.filter((list, i) => lists.findIndex((other) => JSON.stringify(other) === JSON.stringify(list)) === i);

/** The column with the longest values on average. */
export function longest(columns: readonly Column[]): Column | undefined {
  const length = ({ values }: Column) =>
    values.reduce<number>((sum, value) => sum + String(value).length, 0) / values.length;
  return columns.toSorted((a, b) => length(b) - length(a))[0];
}
