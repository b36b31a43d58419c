// Precision, recall and F1 of single classes, labels and entity types, and confusion matrices, as tables.
import { formatCount } from "../../base/index.js";
import {
  type Counts,
  emptyCounts,
  entitiesBy,
  entityKey,
  entityRulesOf,
  type Scores,
  scoresOf,
} from "../../tasks/metrics/parts/index.js";
import { mean } from "../statistics/summary.js";
import { counted, html, type Markup, row, rowOf, scrolling, table } from "./html.js";
import type { RowsOfKind } from "./rowKinds.js";

/** The most classes that a table and a matrix show. The most frequent come first. */
const IN_TABLE = 20;
const IN_MATRIX = 12;

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

function scoresTable(scores: readonly ClassScores[], words: Words, split: string): Markup {
  const { one } = words;
  const known = scores.length > IN_TABLE ? byFrequency(scores) : scores;
  const [shown, rest] = [known.slice(0, IN_TABLE), known.slice(IN_TABLE)];
  const rows = shown.map(({ name, precision, recall, f1, support }) =>
    row(name, [...[precision, recall, f1].map((score) => score.toFixed(3)), formatCount(support)]),
  );
  const head = [capital(one), "Precision", "Recall", "F1", "Support"];
  return html`${table(`Scores of each ${one} on ${split} rows`, head, rows)}${restSentence(rest, words)}`;
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
    return rowOf(name, cells);
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

/** The scores of one class, label or entity type against the rest; undefined scores are 0, as in scikit-learn. */
interface ClassScores extends Scores {
  readonly name: string;
  /** How often it is the reference, scikit-learn's `support`. */
  readonly support: number;
}

/** Counts by class, created on first use. */
class CountsByName {
  readonly #counts = new Map<string, Counts>();

  of(name: string): Counts {
    const counts = this.#counts.get(name) ?? emptyCounts();
    this.#counts.set(name, counts);
    return counts;
  }

  scores(): ClassScores[] {
    return [...this.#counts].map(([name, counts]) => ({ name, support: counts.actual, ...scoresOf(counts) }));
  }
}

/** The reference and predicted class of a row, or of a word. */
interface Classified {
  readonly reference: string;
  /** Null if there is no prediction. */
  readonly prediction: string | null;
}

/** Scores of each class. @param names classes to include even if they do not occur, in this order */
export function classScores(names: readonly string[], rows: readonly Classified[]): ClassScores[] {
  const asLabels = ({ reference, prediction }: Classified) => ({
    ...{ reference: [reference], prediction: prediction === null ? [] : [prediction] },
  });
  return scoresByLabel(names, rows.map(asLabels));
}

/** The confusion matrix of the named classes: references by row, predictions by column. */
export function confusion(names: readonly string[], rows: readonly Classified[]): number[][] {
  const places = new Map(names.map((name, place) => [name, place]));
  const matrix = names.map(() => names.map(() => 0));
  for (const { reference, prediction } of rows) {
    const [row, column] = [places.get(reference), prediction === null ? undefined : places.get(prediction)];
    if (row !== undefined && column !== undefined) matrix[row]![column]!++;
  }
  return matrix;
}

/** Scores of each label, for rows with any number of labels. */
export function scoresByLabel(
  names: readonly string[],
  rows: readonly { readonly reference: readonly string[]; readonly prediction: readonly string[] }[],
): ClassScores[] {
  const counts = new CountsByName();
  for (const name of names) counts.of(name);
  for (const { reference, prediction } of rows) {
    const found = new Set(prediction);
    for (const name of reference) {
      counts.of(name).actual++;
      if (found.has(name)) counts.of(name).truePositives++;
    }
    for (const name of found) counts.of(name).predicted++;
  }
  return counts.scores();
}

/**
 * Scores of each entity type: a true positive has the type and both ends of a reference entity. Undefined if the tags mark no
 * entities.
 * @param labels the model's labels, which determine the tagging scheme, as for the metric over all types: the rows alone may not
 */
export function entityTypeScores(
  rows: readonly { readonly reference: readonly string[]; readonly prediction: readonly (string | null)[] }[],
  labels: readonly string[],
): ClassScores[] | undefined {
  const tags = new Set([...labels, ...rows.flatMap(({ reference, prediction }) => [...reference, ...prediction])]);
  const rules = entityRulesOf([...tags].filter((tag) => tag !== null));
  if (!rules) return undefined;
  const counts = new CountsByName();
  for (const { reference, prediction } of rows) {
    const actual = entitiesBy(rules, reference);
    const there = new Set(actual.map(entityKey));
    for (const { type } of actual) counts.of(type).actual++;
    // A word without a prediction counts as outside.
    const guesses = reference.map((_, word) => prediction[word] ?? "O");
    for (const entity of entitiesBy(rules, guesses)) {
      counts.of(entity.type).predicted++;
      if (there.has(entityKey(entity))) counts.of(entity.type).truePositives++;
    }
  }
  return counts.scores().sort((a, b) => (a.name < b.name ? -1 : 1));
}
