/** Rows of one or two texts with a label. */
import { own } from "../../base/index.js";
import { labeledRows, usualLabelColumns, usualTextColumns } from "../../tasks/data/index.js";
import type { Column } from "./columns.js";
import { columnName, columnsNamed, type Guess, type Guessed, listed, type Question, type Rows } from "./guess.js";
import { classNotes, hasClasses, isFlag, isLabel, taskOfLabel } from "./labels.js";
import { longest } from "./languageRows.js";

/** Columns that were chosen, why, and what else could have been. */
interface Found {
  readonly columns: readonly string[];
  readonly reasons: readonly string[];
  readonly open: readonly Question[];
}

export function guessLabeled(rows: Rows, given: Guessed): Guess | undefined {
  if (given.task === "causal-lm") return undefined;
  const texts = textsOf(rows, given);
  if (!texts) return undefined;
  const label = labelOf(rows, given, texts.columns);
  if (!label && given.task === undefined && !isUsualPair(rows, texts.columns)) return undefined;
  const task = taskFor(rows, given, label?.columns ?? []);
  const unlabeled = unlabeledNotes(rows, label?.columns ?? []);
  const labels = { ...(label && { labelColumn: label.columns }), ...(unlabeled.length > 0 && { dropUnlabeled: true }) };
  const reasons = [...texts.reasons, ...(label?.reasons ?? []), ...unlabeled, ...task.reasons];
  return {
    settings: { task: task.task, textColumns: texts.columns, ...labels },
    reasons: [...reasons, ...emptyTexts(rows, texts.columns)],
    open: [...texts.open, ...(label?.open ?? []), ...task.open],
  };
}

const emptyTexts = (rows: Rows, names: readonly string[]): string[] =>
  columnsNamed(rows, names)
    .filter(({ absent }) => absent > 0)
    .map((column) => `${columnName(column)} is empty in ${column.absent} of the rows; training uses these rows too.`);

/** Rows in which every label column is empty. */
function unlabeledNotes({ table }: Rows, names: readonly string[]): string[] {
  const labeled = labeledRows(table, names, { dropUnlabeled: true });
  const count = table.rows.length - labeled.rows.length;
  return count === 0
    ? []
    : [
        `${count} of the rows ${count === 1 ? "has" : "have"} no label: dropUnlabeled leaves ${count === 1 ? "it" : "them"} out.`,
      ];
}

/** Pairs of texts under these names are for labels, even if none is found. */
const isUsualPair = ({ table }: Rows, columns: readonly string[]): boolean =>
  columns.length === 2 && columns.join() === usualTextColumns(table)?.join();

const given = (columns: readonly string[]): Found => ({ columns, reasons: [], open: [] });

function textsOf(rows: Rows, { textColumns, labelColumn = [] }: Guessed): Found | undefined {
  if (textColumns) return given(textColumns);
  const isFree = (name: string) => !labelColumn.includes(name);
  const usual = usualTextColumns({ columns: rows.table.columns.filter(isFree) });
  if (usual) return given(usual);
  const free = rows.columns.filter(({ name }) => isFree(name) && !usualLabelColumns(rows.table).includes(name));
  const texts = free.filter((column) => column.shape === "text" && !hasClasses(column));
  const names = free.filter((column) => column.shape === "name" && !hasClasses(column));
  return texts.length > 0 ? ofTexts(texts, texts.length === 2) : ofTexts(names, false);
}

/** Two columns of texts are a pair; of more, and of names, the longest is read. */
function ofTexts(found: readonly Column[], isPair: boolean): Found | undefined {
  const long = longest(found);
  if (!long) return undefined;
  const chosen = isPair ? found : [long];
  const names = chosen.map(({ name }) => name);
  const hint = found.length > 1 ? `, since ${listed(found)} look like texts: --text-columns names others` : "";
  const others = found.map(({ name }) => [name]).filter(([name]) => isPair || name !== long.name);
  return {
    columns: names,
    reasons: [`${listed(chosen)} ${isPair ? "are" : "is"} taken for the text${hint}.`],
    open:
      found.length > 1
        ? [
            {
              key: "textColumns",
              text: `${listed(found)} look like texts: which are read?`,
              choices: [names, ...others],
            },
          ]
        : [],
  };
}

/** Words in the names of columns that hold labels. */
const HINT =
  /label|class|categor|sentiment|topic|intent|rating|score|stars|target|emotion|polarity|similarity|grade|price|(^|_)(y|tag|is)(_|$)/i;

function labelOf(rows: Rows, { labelColumn, task }: Guessed, texts: readonly string[]): Found | undefined {
  if (labelColumn) return given(labelColumn);
  const free = rows.columns.filter(({ name, shape }) => !texts.includes(name) && shape !== "empty");
  const usual = columnsNamed({ ...rows, columns: free }, usualLabelColumns(rows.table));
  if (usual.length > 0) return oneOf(usual, usual.length > 1);
  const flags = free.filter(isFlag);
  const hinted = free.filter((column) => HINT.test(column.name) && isLabel(column));
  const fitting = free.filter((column) => hasClasses(column) || (free.length === 1 && isLabel(column)));
  if (flags.length > 1 && (task === "multi-label-classification" || hinted.every(isFlag))) return ofFlags(rows, flags);
  const found = [...hinted, ...fitting.filter((column) => !hinted.includes(column)).toReversed()];
  return found.length === 0 ? undefined : oneOf(found, true);
}

function oneOf(columns: readonly Column[], isSaid: boolean): Found {
  const [first, ...others] = columns as [Column, ...Column[]];
  const rest = others.length > 0 ? `, though ${listed(others)} could be it too: --label-column names another` : "";
  return {
    columns: [first.name],
    reasons: isSaid ? [`${columnName(first)} is used as the label${rest}.`] : [],
    open:
      others.length > 0
        ? [
            {
              key: "labelColumn",
              text: `${listed(columns)} could be the label: which is it?`,
              choices: columns.map(({ name }) => [name]),
            },
          ]
        : [],
  };
}

function ofFlags({ table }: Rows, flags: readonly Column[]): Found {
  const names = flags.map(({ name }) => name);
  const isOneHot = table.rows.every(
    ({ values }) => names.filter((name) => Number(own(values, name)) === 1).length === 1,
  );
  const hint = isOneHot
    ? "; each row has exactly one of them: one column with its name would make it sequence-classification"
    : "";
  return {
    columns: names,
    reasons: [`${listed(flags)} hold 0 and 1, and are used as the labels${hint}.`],
    open: [
      {
        key: "labelColumn",
        text: `${listed(flags)} hold 0 and 1: which are labels?`,
        choices: [names, ...names.map((name) => [name])],
      },
    ],
  };
}

function taskFor(rows: Rows, { task: asked }: Guessed, names: readonly string[]) {
  const [label, ...more] = columnsNamed(rows, names);
  if (!label) return { task: asked ?? "sequence-classification", reasons: [], open: [] } as const;
  const found =
    more.length > 0
      ? ({ task: "multi-label-classification", why: "several columns of labels" } as const)
      : taskOfLabel(label);
  const task = (asked ?? found.task) as typeof found.task;
  const notes = task === "sequence-classification" ? classNotes(label) : [];
  const { other } = "other" in found ? found : { other: undefined };
  const hint = other ? `; --task ${other.task} if ${other.when}` : "";
  const why = asked === undefined ? [`${found.why}: ${task}${hint}.`] : [];
  const open: Question[] =
    asked === undefined && other
      ? [{ key: "task", text: `${found.why}: which task is it?`, choices: [[task], [other.task]] }]
      : [];
  return { task, reasons: [...why, ...notes], open };
}
