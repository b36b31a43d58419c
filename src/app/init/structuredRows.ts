/** Rows whose columns leave no choice: words with labels, questions with answers, and pairs of texts that belong together. */
import { own } from "../../base/index.js";
import { anchoredColumns, usualLabelColumns, usualWordsColumn } from "../../tasks/data/index.js";
import type { TaskKind } from "../../tasks/index.js";
import type { Column } from "./columns.js";
import { columnName, columnsNamed, type Guess, type Guessed, listed, type Rows } from "./guess.js";
import type { WordsSample } from "./sample.js";

/** A file with one word per line. */
export function wordsOfFile({ columns }: WordsSample, given: Guessed): Guess {
  const { labelColumn } = given;
  const settings = { ...given, task: "token-classification" } as const;
  if (columns === undefined) {
    const read = labelColumn ?? ["upos"];
    return {
      settings: { ...settings, labelColumn: read },
      reasons: [`CoNLL-U: the words' labels are in ${read}.`],
      open: [],
    };
  }
  if (columns < 3 || labelColumn) return { settings, reasons: ["One word per line, with its label."], open: [] };
  const last = String(columns);
  return {
    settings: { ...settings, labelColumn: [last] },
    reasons: [`One word per line; the last of its ${columns} columns is the label.`],
    open: [
      {
        key: "labelColumn",
        text: "Which column has the words' labels?",
        choices: Array.from({ length: columns - 1 }, (_, i) => [String(columns - i)]),
      },
    ],
  };
}

/** Rows with a list of words and a list of their labels. */
export function guessWords(rows: Rows, given: Guessed): Guess | undefined {
  const isTask = given.task === "token-classification";
  const [given_] = given.textColumns ?? [];
  const words = given_ ?? usualWordsColumn(rows.table) ?? (isTask ? listColumns(rows)[0]?.name : undefined);
  const column = columnsNamed(rows, words === undefined ? [] : [words])[0];
  if (!isTask && (given.task !== undefined || column?.shape !== "list")) return undefined;
  const labels = wordLabels(rows, words);
  const [label] = given.labelColumn ?? labels;
  if (words === undefined || label === undefined) return undefined;
  return {
    settings: { task: "token-classification", textColumns: [words], labelColumn: [label] },
    reasons: [
      `${columnName({ name: words })} holds lists of words, and ${columnName({ name: label })} a label for each.`,
      ...numbersNote(rows, label),
    ],
    open:
      given.labelColumn || labels.length < 2
        ? []
        : [
            {
              key: "labelColumn",
              text: "Which column holds the labels of the words?",
              choices: labels.map((name) => [name]),
            },
          ],
  };
}

/** Entities are scored by names such as B-PER. */
function numbersNote(rows: Rows, label: string): string[] {
  const [column] = columnsNamed(rows, [label]);
  const isNumbers = column?.values.flat().every((value) => typeof value === "number");
  return isNumbers
    ? [`The labels in ${columnName({ name: label })} are numbers: only words are scored, not entities.`]
    : [];
}

/** Columns with as many labels as there are words, the usual names first. */
function wordLabels(rows: Rows, words: string | undefined): string[] {
  const fits = (name: string) =>
    name !== words &&
    rows.table.rows.every(({ values }) => lengthOf(own(values, name)) === lengthOf(own(values, words ?? "")));
  const lists = listColumns(rows).map(({ name }) => name);
  return [...new Set([...usualLabelColumns(rows.table, true), ...lists])].filter(
    (name) => lists.includes(name) && fits(name),
  );
}

const listColumns = ({ columns }: Rows) => columns.filter(({ shape }) => shape === "list");
const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : -1);

/** The tasks that learn from preferences. */
export const PREFERENCE_TASKS: readonly TaskKind[] = ["preference", "reward"];

/** Columns of a chosen and a rejected answer, or of completions that are good or bad, with their prompt. */
export function preferenceColumns(rows: Rows): readonly Column[] | undefined {
  const pairs = columnsNamed(rows, ["prompt", "chosen", "rejected"]);
  if (pairs.filter(({ name }) => name !== "prompt").length === 2) return pairs;
  const rated = columnsNamed(rows, ["prompt", "completion", "label"]);
  return rated.length === 3 && rated[2]!.shape === "boolean" ? rated : undefined;
}

/** Answers without a prompt are for reward models, unless they are whole conversations. */
export function guessPreferences(rows: Rows, given: Guessed): Guess | undefined {
  const read = given.textColumns || given.labelColumn ? undefined : preferenceColumns(rows);
  if (!read || (given.task !== undefined && !PREFERENCE_TASKS.includes(given.task))) return undefined;
  const [first, , last] = read;
  const isRated = last?.name === "label";
  const isChat = read.some(({ name, shape }) => name !== "prompt" && shape === "messages");
  const task = given.task ?? (first!.name === "prompt" || isChat ? "preference" : "reward");
  const loss = isRated && task === "preference" ? { loss: "kto" as const } : {};
  return {
    settings: { ...given, task, ...loss },
    reasons: [`${listed(read)}: ${task}${isRated ? ", with --loss kto, which takes single answers" : ""}.`],
    open: [],
    columns: [...read.map(({ name }) => name), "tools", ...(task === "reward" ? ["margin"] : [])],
    isChat,
  };
}

/** Questions about contexts, in Hugging Face's columns or SQuAD's JSON. */
export function guessQuestions(rows: Rows, given: Guessed): Guess | undefined {
  const isTask = given.task === "question-answering";
  if (given.task !== undefined && !isTask) return undefined;
  const columns = columnsNamed(rows, ["question", "context", "answers"]);
  const isSquad = rows.table.rows.length === 1 && Array.isArray(rows.table.rows[0]?.values.data);
  if (!isTask && !isSquad && !(columns.length === 3 && columns[2]?.shape === "other")) return undefined;
  const what = isSquad ? "SQuAD's JSON" : `The columns ${listed(columns)}`;
  return {
    settings: { ...given, task: "question-answering" },
    reasons: [`${what}: question-answering.`],
    open: [],
    columns: isSquad ? rows.columns.map(({ name }) => name) : columns.map(({ name }) => name),
  };
}

/** Rows with the columns of a query and a document, and a score; if the task is named, also of a query, its positive and negatives. */
export function guessReranking({ table, columns }: Rows, given: Guessed): Guess | undefined {
  if (given.task !== undefined && given.task !== "reranking") return undefined;
  const lists = given.task === "reranking" ? anchoredColumns(table) : undefined;
  const found = given.textColumns || given.labelColumn ? undefined : (scoredColumns(table) ?? lists);
  if (!found) return undefined;
  const read = columns.filter(({ name }) => found.includes(name));
  const reason = `${listed(read)}: reranking.`;
  return { settings: { ...given, task: "reranking" }, reasons: [reason], open: [], columns: found };
}

function scoredColumns({ columns, rows }: Rows["table"]): readonly string[] | undefined {
  const score = ["score", "label"].find((name) => columns.includes(name));
  if (score === undefined || !["query", "document"].every((name) => columns.includes(name))) return undefined;
  const isScored = rows.every(({ values }) => isRelevance(own(values, score)));
  return isScored ? ["query", "document", score] : undefined;
}

/** A number from 0 to 1, true or false, as such or as text. */
const isRelevance = (value: unknown): boolean =>
  ["true", "false"].includes(String(value)) ||
  (value !== null && value !== "" && Number(value) >= 0 && Number(value) <= 1);

/** Rows with the usual columns of an anchor and its positive. */
export function guessEmbeddings({ table, columns }: Rows, given: Guessed): Guess | undefined {
  if (given.task !== undefined && given.task !== "embedding") return undefined;
  const found = given.textColumns || given.labelColumn ? undefined : anchoredColumns(table);
  if (!found) return undefined;
  const read = columns.filter(({ name }) => found.includes(name));
  const reason = `${listed(read)}: embedding, learned from pairs.`;
  return { settings: { ...given, task: "embedding" }, reasons: [reason], open: [], columns: found };
}
