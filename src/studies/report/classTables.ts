// Tables of scores by class, and confusion matrices.
import { formatCount } from "../../base/index.js";
import type { RowsOfKind } from "../../base/records/index.js";
import {
  type Classified,
  type ClassScores,
  classScores,
  confusion,
  entityTypeScores,
  scoresByLabel,
} from "../statistics/classScores.js";
import { mean } from "../statistics/summary.js";
import { html, type Markup } from "./html.js";
import { counted, row, scrolling, table } from "./table.js";

/** The most classes that a table and a matrix show. The most frequent come first. */
const IN_TABLE = 20;
const IN_MATRIX = 12;

/** The word for a class, in singular and plural. */
interface Words {
  readonly one: string;
  readonly many: string;
}

/** Scores of each class, label or type, with the confusion matrix if each row has one class. */
export function classTables(found: RowsOfKind, labels: readonly string[], split: string): Markup[] {
  switch (found.kind) {
    case "classes":
      return [
        scoresTable(classScores(labels, found.rows), { one: "class", many: "classes" }, split),
        confusionTable(labels, found.rows, split),
      ];
    case "labels":
      return [scoresTable(scoresByLabel(labels, found.rows), { one: "label", many: "labels" }, split)];
    case "words": {
      const types = entityTypeScores(found.rows, labels);
      return types
        ? [scoresTable(types, { one: "type of entity", many: "types of entities" }, split)]
        : [scoresTable(classScores([], found.rows.flatMap(wordsOf)), { one: "label", many: "labels" }, split)];
    }
    default:
      return [];
  }
}

/** Each word of a sentence as one row. */
const wordsOf = ({ reference, prediction }: Extract<RowsOfKind, { kind: "words" }>["rows"][number]): Classified[] =>
  reference.map((label, word) => ({ reference: label, prediction: prediction[word] ?? null }));

/** The most frequent first; equally frequent ones keep their order. */
const byFrequency = <One extends { readonly support: number }>(list: readonly One[]): One[] =>
  list.toSorted((a, b) => b.support - a.support);

function scoresTable(scores: readonly ClassScores[], { one, many }: Words, split: string): Markup {
  const known = scores.length > IN_TABLE ? byFrequency(scores) : scores;
  const [shown, rest] = [known.slice(0, IN_TABLE), known.slice(IN_TABLE)];
  const rows = shown.map(({ name, precision, recall, f1, support }) =>
    row(name, [...[precision, recall, f1].map((score) => score.toFixed(3)), formatCount(support)]),
  );
  const head = [capital(one), "Precision", "Recall", "F1", "Support"];
  return html`${table(`Scores of each ${one} on ${split} rows`, head, rows)}${restSentence(rest, { one, many })}`;
}

function restSentence(rest: readonly ClassScores[], { one, many }: Words): Markup | undefined {
  if (rest.length === 0) return undefined;
  const support = rest.reduce((sum, scores) => sum + scores.support, 0);
  const never = rest.filter((scores) => scores.support === 0).length;
  const absent = never > 0 ? `; ${formatCount(never)} of them never` : "";
  const other = rest.length === 1 ? `One other ${one} comes` : `The ${formatCount(rest.length)} other ${many} come`;
  return html`<p class="note">${other} ${counted(support, "time")} altogether${absent}; mean F1 ${mean(rest.map(({ f1 }) => f1)).toFixed(3)}.</p>`;
}

/** The confusion matrix: a row for each class, a column for each prediction. */
function confusionTable(labels: readonly string[], rows: readonly Classified[], split: string): Markup {
  const supports = new Map(labels.map((name) => [name, 0]));
  for (const { reference } of rows) supports.set(reference, (supports.get(reference) ?? 0) + 1);
  const named = labels.map((name) => ({ name, support: supports.get(name) ?? 0 }));
  const names = (labels.length > IN_MATRIX ? byFrequency(named).slice(0, IN_MATRIX) : named).map(({ name }) => name);
  const matrix = confusion(names, rows);
  const title = `Confusion matrix of ${split} rows: classes in rows, predictions in columns`;
  const body = names.map((name, actual) => {
    const cells = matrix[actual]!.map((count, predicted) =>
      confusionCell(count, supports.get(name)!, actual === predicted),
    );
    return html`<tr><th scope="row">${name}</th>${cells}</tr>`;
  });
  const head = names.map((name) => html`<th scope="col">${name}</th>`);
  const content = html`<table class="figures matrix"><caption>${title}</caption><thead><tr><td></td>${head}</tr></thead><tbody>${body}</tbody></table>`;
  const inside = matrix.flat().reduce((sum, count) => sum + count, 0);
  const left = rows.length - inside;
  const note =
    names.length < labels.length
      ? html`<p class="note">The ${names.length} most frequent of ${formatCount(labels.length)} classes; ${counted(left, "row")} with another class as reference or prediction ${left === 1 ? "is" : "are"} not shown.</p>`
      : undefined;
  return html`${scrolling(title, content)}${note}`;
}

/** A darker cell has a larger share of the class's rows. Correct predictions also have a frame. */
function confusionCell(count: number, support: number, isRight: boolean): Markup {
  const share = support === 0 ? 0 : count / support;
  const shade = html` style="--share:${Math.round(share * 50)}%"`;
  return html`<td${isRight ? html` class="right"` : ""}${shade}>${formatCount(count)}</td>`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
