// The rows of a run that were predicted worst, and its scores by class.
import { rougeL } from "@bidora/text-metrics";
import { formatNumber } from "../../base/index.js";
import type { PredictedRow, RunPredictions } from "../../base/records/index.js";
import { classTables } from "./classTables.js";
import { counted, factList, html, type Markup, section, short } from "./html.js";
import { placeOfRow, type RowsOfKind, rowsOfKind } from "./rowKinds.js";
import type { Run } from "./runs.js";

interface PredictedRun {
  readonly run: Run;
  readonly predictions: RunPredictions;
}

/** Scores of each class, and the rows with the worst predictions. Several runs are collapsed, one part each. */
export function rowSections(predicted: readonly PredictedRun[]): Markup[] {
  const sections = predicted.map((one) => ({ one, parts: partsOf(one, predicted.length === 1) }));
  const ofAll = (key: "classes" | "wrong") =>
    sections.flatMap(({ one, parts }) => (parts[key].length > 0 ? [asOne(one, parts[key], predicted.length > 1)] : []));
  const [classes, wrong] = [ofAll("classes"), ofAll("wrong")];
  const about = html`<p class="note">Texts are shown as the model’s tokens spell them, up to 300 characters.</p>`;
  const each = (runs: Markup[]) =>
    runs.length > MOST_RUNS
      ? [html`<details class="run"><summary>${counted(runs.length, "run")}</summary>${runs}</details>`]
      : runs;
  return [
    ...(classes.length > 0 ? [section("classes", "Class by class", each(classes))] : []),
    ...(wrong.length > 0 ? [section("wrong-rows", "Worst predictions", [about, ...each(wrong)])] : []),
  ];
}

/** With more runs than this, their parts are collapsed together. */
const MOST_RUNS = 12;

const asOne = ({ run }: PredictedRun, parts: readonly Markup[], isFolded: boolean): Markup =>
  isFolded ? html`<details class="run"><summary>${run.name}</summary>${parts}</details>` : html`${parts}`;

function partsOf(
  { run, predictions: { labels, splits } }: PredictedRun,
  isOne: boolean,
): { readonly classes: Markup[]; readonly wrong: Markup[] } {
  const [classes, wrong]: [Markup[], Markup[]] = [[], []];
  for (const { split, rows, broken } of splits) {
    if (broken > 0)
      wrong.push(
        html`<p class="note">${counted(broken, "line")} of the ${split} predictions can’t be read and ${broken === 1 ? "is" : "are"} left out.</p>`,
      );
    const found = rowsOfKind(rows, labels);
    if (!found) continue;
    classes.push(...classTables(found, labels, isOne ? split : `${run.name}’s ${split}`));
    const list = wrongRowsList(found, split);
    if (list) wrong.push(list);
  }
  return { classes, wrong };
}

const MOST = 20;
/** The most rows whose texts are compared with their references word by word. */
const MOST_COMPARED = 5000;

type Kind = RowsOfKind["kind"];
type RowOf<K extends Kind> = Extract<RowsOfKind, { kind: K }>["rows"][number];

/** How wrong the rows of a kind are, and how they are shown. */
interface Judge<Row> {
  readonly caption: string;
  readonly measure: string;
  /** 0 or less for a row that is right. */
  wrongness(row: Row): number;
  /** Empty texts are left out. */
  shown(row: Row, wrongness: number): readonly [reference: string, prediction: string, measure: string];
  /** The most rows that are judged. */
  readonly most?: number;
  readonly note?: string;
}

const TEXTS: Judge<RowOf<"texts">> = {
  caption: "The texts least similar to their references",
  measure: "ROUGE-L",
  // A text that equals one of its references word by word is not wrong.
  wrongness: ({ reference, prediction }) =>
    reference.length === 0 ? Number(prediction !== "") : 1 - similarity(reference, prediction),
  shown: ({ reference, prediction }, wrongness) => [
    shown(reference),
    short(prediction, LONGEST) || "nothing",
    (1 - wrongness).toFixed(3),
  ],
  most: MOST_COMPARED,
};

const JUDGES: { readonly [K in Kind]: Judge<RowOf<K>> } = {
  classes: {
    caption: "Wrong rows",
    measure: "",
    wrongness: ({ reference, prediction }) => Number(reference !== prediction),
    shown: ({ reference, prediction }) => [reference, prediction, ""],
  },
  numbers: {
    caption: "The largest errors",
    measure: "Error",
    wrongness: ({ reference, prediction }) => Math.abs(prediction - reference),
    shown: ({ reference, prediction }) => [
      formatNumber(reference),
      formatNumber(prediction),
      formatNumber(prediction - reference),
    ],
  },
  labels: {
    caption: "The rows with the most wrong labels",
    measure: "Wrong labels",
    wrongness: ({ reference, prediction }) =>
      reference.filter((name) => !prediction.includes(name)).length +
      prediction.filter((name) => !reference.includes(name)).length,
    shown: ({ reference, prediction }, wrongness) => [
      reference.join(", ") || "none",
      prediction.join(", ") || "none",
      String(wrongness),
    ],
  },
  words: {
    caption: "The rows with the most wrong words",
    measure: "Wrong words",
    wrongness: (row) => wrongWords(row).length,
    shown: (row, wrongness) => [
      labeled(row, row.reference),
      labeled(row, row.prediction),
      `${wrongness} of ${row.reference.length}`,
    ],
    note: "At most eight wrong words of each row are shown.",
  },
  answers: TEXTS,
  texts: TEXTS,
  tokens: {
    caption: "The texts whose tokens were predicted worst",
    measure: "Loss per token",
    wrongness: ({ loss }) => loss,
    shown: ({ tokens }, wrongness) => ["", "", `${formatNumber(wrongness)} over ${counted(tokens, "token")}`],
  },
};

/** A row whose prediction is wrong. */
export interface WrongRow {
  readonly at: PredictedRow;
  /** Above 0; what it measures depends on the kind of the rows. */
  readonly wrongness: number;
  /** Names and texts: the reference, the prediction, and how wrong it is. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/**
 * The rows with wrong predictions, the worst first.
 * @param predicted as a run's file has them; of generated texts the first 5000 are compared
 * @returns undefined if the task has no right or wrong predictions of single rows
 */
export function wrongRows(
  predicted: readonly PredictedRow[],
  labels: readonly string[],
): readonly WrongRow[] | undefined {
  const found = rowsOfKind(predicted, labels);
  return found && judged(found, Number.POSITIVE_INFINITY);
}

/** Whether rows say how sure their predictions are: then the surest ones that are wrong come first. */
const haveScores = ({ rows }: RowsOfKind): boolean => rows.some(({ score }) => score !== undefined);

function judged(found: RowsOfKind, most: number): readonly WrongRow[] {
  const judge = JUDGES[found.kind] as Judge<RowOf<Kind>>;
  const byScore = haveScores(found);
  // A wrong row without any confidence still counts as wrong.
  const rank = (row: RowOf<Kind>, wrong = judge.wrongness(row)) =>
    byScore && wrong > 0 ? Math.max(row.score ?? 0, Number.MIN_VALUE) : wrong;
  return worstRows(found.rows.slice(0, judge.most), rank, most).map(({ row, wrongness }) => {
    const [reference, prediction, measure] = judge.shown(row, judge.wrongness(row));
    const confidence = row.score === undefined ? "" : `${(100 * row.score).toFixed(1)} %`;
    const own = { Reference: reference, Prediction: prediction, [judge.measure]: measure, Confidence: confidence };
    return { at: row.at, wrongness, facts: Object.entries(own).filter(([, value]) => value !== "") };
  });
}

/** The rows with the worst predictions; undefined if all are correct or the rows can't be compared. */
function wrongRowsList(found: RowsOfKind, split: string): Markup | undefined {
  const { kind, rows } = found;
  const judge = JUDGES[kind] as Judge<RowOf<Kind>>;
  const worst = judged(found, MOST);
  if (worst.length === 0) return undefined;
  const caption = haveScores(found) ? "Wrong rows with the highest confidence" : judge.caption;
  const title = `${caption} among ${counted(rows.length, `${split} row`)}`;
  const items = worst.map(({ at, facts }) => {
    const text = at.text === undefined ? undefined : html`<p>${at.text}</p>`;
    return html`<li><span class="place">${placeOfRow(at)}</span>${text}${factList(facts)}</li>`;
  });
  const note =
    judge.most !== undefined && judge.most < rows.length
      ? `Of the first ${counted(MOST_COMPARED, "row")}.`
      : judge.note;
  const below = note === undefined ? undefined : html`<p class="note">${note}</p>`;
  return html`<h3>${title}</h3><ol class="rows">${items}</ol>${below}`;
}

/** The places of the words whose label is wrong. */
const wrongWords = ({ reference, prediction }: RowOf<"words">): number[] =>
  reference.flatMap((label, word) => (prediction[word] === label ? [] : [word]));

const labeled = (row: RowOf<"words">, labels: readonly (string | null)[]): string =>
  wrongWords(row)
    .slice(0, 8)
    .map((word) => `${row.words[word] ?? `word ${word + 1}`}: ${labels[word] ?? "nothing"}`)
    .join(", ");

const LONGEST = 300;

function shown([first, ...others]: readonly string[]): string {
  if (first === undefined) return "nothing";
  return `${short(first, LONGEST)}${others.length > 0 ? ` (or ${counted(others.length, "other")})` : ""}`;
}

/** Rows with how wrong each is, the worst first, ties in their order. Rows that are right (0 or less) are left out. */
export function worstRows<Row>(
  rows: readonly Row[],
  wrongnessOf: (row: Row) => number,
  most: number,
): { readonly row: Row; readonly wrongness: number }[] {
  const wrong = rows.map((row) => ({ row, wrongness: wrongnessOf(row) })).filter(({ wrongness }) => wrongness > 0);
  return wrong.sort((a, b) => b.wrongness - a.wrongness).slice(0, most);
}

/** The similarity of a text to the most similar of its references, by words: ROUGE-L, in [0, 1]. */
export function similarity(references: readonly string[], text: string): number {
  return references.length === 0 ? 0 : rougeL().measure(references, text, 1);
}
