// The rows of a run that were predicted worst, and its scores by class.
import { rougeL } from "@bidora/text-metrics";
import { formatNumber } from "../../base/index.js";
import {
  type PredictedRow,
  placeOfRow,
  type RowsOfKind,
  type RunPredictions,
  rowsOfKind,
} from "../../base/records/index.js";
import { classTables } from "./classTables.js";
import { html, type Markup, section } from "./html.js";
import type { Run } from "./runs.js";
import { counted } from "./table.js";

/** A run with its predictions. */
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

/** The most rows that are shown. */
const MOST = 20;
/** The most rows whose texts are compared with their references word by word. */
const MOST_COMPARED = 5000;

/** A row with a wrong prediction, as text. */
interface Wrong {
  readonly at: PredictedRow;
  readonly reference: string;
  readonly prediction: string;
  /** How wrong it is, as text. */
  readonly measure: string;
}

interface WrongRows {
  readonly measure: string;
  readonly caption: string;
  readonly rows: readonly Wrong[];
  readonly note?: string;
}

/** The rows with the worst predictions; undefined if all are correct or the rows can't be compared. */
function wrongRowsList(found: RowsOfKind, split: string): Markup | undefined {
  const { measure, caption, rows, note } = wrongRows(found);
  if (rows.length === 0) return undefined;
  const title = `${caption} among ${counted(found.rows.length, `${split} row`)}`;
  const items = rows.map((one) => wrongRow(one, measure));
  const below = note === undefined ? undefined : html`<p class="note">${note}</p>`;
  return html`<h3>${title}</h3><ol class="rows">${items}</ol>${below}`;
}

function wrongRow({ at, reference, prediction, measure }: Wrong, name: string): Markup {
  const facts = { Reference: reference, Prediction: prediction, [name]: measure };
  const terms = Object.entries(facts).map(([term, value]) =>
    value === "" ? "" : html`<div><dt>${term}</dt><dd>${value}</dd></div>`,
  );
  const text = at.text === undefined ? undefined : html`<p>${at.text}</p>`;
  return html`<li><span class="place">${placeOfRow(at)}</span>${text}<dl>${terms}</dl></li>`;
}

const percent = (score: number): string => `${(100 * score).toFixed(1)} %`;

function wrongRows(found: RowsOfKind): WrongRows {
  switch (found.kind) {
    case "classes":
      return wrongClasses(found.rows);
    case "numbers":
      return wrongNumbers(found.rows);
    case "labels":
      return wrongLabels(found.rows);
    case "words":
      return wrongWords(found.rows);
    case "answers":
    case "texts":
      return wrongTexts(found.rows);
    case "tokens":
      return worstPredicted(found.rows);
  }
}

type RowsOf<K extends RowsOfKind["kind"]> = Extract<RowsOfKind, { kind: K }>["rows"];

function wrongClasses(rows: RowsOf<"classes">): WrongRows {
  const isWrong = (one: (typeof rows)[number]) => one.reference !== one.prediction;
  // A wrong row without any confidence still counts as wrong.
  const worst = worstRows(rows.filter(isWrong), ({ score }) => Math.max(score, Number.MIN_VALUE), MOST);
  return {
    measure: "Confidence",
    caption: "Wrong rows with the highest confidence",
    rows: worst.map(({ row: { at, reference, prediction, score } }) => ({
      at,
      reference,
      prediction,
      measure: percent(score),
    })),
  };
}

function wrongNumbers(rows: RowsOf<"numbers">): WrongRows {
  const worst = worstRows(rows, ({ reference, prediction }) => Math.abs(prediction - reference), MOST);
  return {
    measure: "Error",
    caption: "The largest errors",
    rows: worst.map(({ row: { at, reference, prediction } }) => ({
      at,
      reference: formatNumber(reference),
      prediction: formatNumber(prediction),
      measure: formatNumber(prediction - reference),
    })),
  };
}

function wrongLabels(rows: RowsOf<"labels">): WrongRows {
  const differing = ({ reference, prediction }: (typeof rows)[number]) =>
    reference.filter((name) => !prediction.includes(name)).length +
    prediction.filter((name) => !reference.includes(name)).length;
  return {
    measure: "Wrong labels",
    caption: "The rows with the most wrong labels",
    rows: worstRows(rows, differing, MOST).map(({ row: { at, reference, prediction }, wrongness }) => ({
      at,
      reference: reference.join(", ") || "none",
      prediction: prediction.join(", ") || "none",
      measure: String(wrongness),
    })),
  };
}

function wrongWords(rows: RowsOf<"words">): WrongRows {
  const wrong = ({ reference, prediction }: (typeof rows)[number]) =>
    reference.flatMap((label, word) => (prediction[word] === label ? [] : [word]));
  const labeled = (one: (typeof rows)[number], labels: readonly (string | null)[]) =>
    wrong(one)
      .slice(0, 8)
      .map((word) => `${one.words[word] ?? `word ${word + 1}`}: ${labels[word] ?? "nothing"}`)
      .join(", ");
  return {
    measure: "Wrong words",
    caption: "The rows with the most wrong words",
    rows: worstRows(rows, (one) => wrong(one).length, MOST).map(({ row: one, wrongness }) => ({
      at: one.at,
      reference: labeled(one, one.reference),
      prediction: labeled(one, one.prediction),
      measure: `${wrongness} of ${one.reference.length}`,
    })),
    note: "At most eight wrong words of each row are shown.",
  };
}

/** A text that equals one of its references word by word is not wrong. */
function wrongTexts(rows: RowsOf<"texts">): WrongRows {
  const compared = rows.slice(0, MOST_COMPARED);
  const unlike = ({ reference, prediction }: (typeof rows)[number]) =>
    reference.length === 0 ? Number(prediction !== "") : 1 - similarity(reference, prediction);
  const worst = worstRows(compared, unlike, MOST);
  const note = compared.length < rows.length ? { note: `Of the first ${counted(MOST_COMPARED, "row")}.` } : {};
  return {
    measure: "ROUGE-L",
    caption: "The texts least similar to their references",
    rows: worst.map(({ row: { at, reference, prediction }, wrongness }) => ({
      at,
      reference: shown(reference),
      prediction: short(prediction) || "nothing",
      measure: (1 - wrongness).toFixed(3),
    })),
    ...note,
  };
}

const LONGEST = 300;
const short = (text: string): string => {
  const characters = Array.from(text);
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : text;
};

function shown([first, ...others]: readonly string[]): string {
  if (first === undefined) return "nothing";
  return `${short(first)}${others.length > 0 ? ` (or ${counted(others.length, "other")})` : ""}`;
}

function worstPredicted(rows: RowsOf<"tokens">): WrongRows {
  return {
    measure: "Loss per token",
    caption: "The texts whose tokens were predicted worst",
    rows: worstRows(rows, ({ loss }) => loss, MOST).map(({ row: { at, tokens }, wrongness }) => ({
      at,
      reference: "",
      prediction: "",
      measure: `${formatNumber(wrongness)} over ${counted(tokens, "token")}`,
    })),
  };
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
