// The rows of a run in the form that their task's predictions have.
import { basename } from "node:path";
import type { PredictedRow } from "../../base/records/index.js";

/** A row's place for people: `test.csv line 3`. */
export const placeOfRow = ({ file, line }: Pick<PredictedRow, "file" | "line">): string =>
  `${basename(file)} line ${line}`;

/** A row with its reference and prediction in the form of its task. */
interface Placed {
  readonly at: PredictedRow;
  /** The probability of the prediction or, with several labels or words, of the most probable one that is wrong; undefined if the file has none. */
  readonly score?: number | undefined;
}

/** One of several classes, by name. */
interface ClassRow extends Placed {
  readonly reference: string;
  readonly prediction: string;
}

/** Any number of labels, by name. */
interface LabelsRow extends Placed {
  readonly reference: readonly string[];
  readonly prediction: readonly string[];
}

/** One label for each word; null for a word that has no token. */
interface WordsRow extends Placed {
  readonly words: readonly string[];
  readonly reference: readonly string[];
  readonly prediction: readonly (string | null)[];
}

interface NumberRow extends Placed {
  readonly reference: number;
  readonly prediction: number;
}

/** A text and every correct text; none if there is no answer. */
interface TextRow extends Placed {
  readonly reference: readonly string[];
  readonly prediction: string;
}

/** How well the model predicted a text's own tokens. */
interface TokenPredictionRow extends Placed {
  /** Per token. */
  readonly loss: number;
  readonly tokens: number;
}

/** All rows of a split in their common form. */
export type RowsOfKind =
  | { readonly kind: "classes"; readonly rows: readonly ClassRow[] }
  | { readonly kind: "labels"; readonly rows: readonly LabelsRow[] }
  | { readonly kind: "words"; readonly rows: readonly WordsRow[] }
  | { readonly kind: "numbers"; readonly rows: readonly NumberRow[] }
  | { readonly kind: "answers"; readonly rows: readonly TextRow[] }
  | { readonly kind: "texts"; readonly rows: readonly TextRow[] }
  | { readonly kind: "tokens"; readonly rows: readonly TokenPredictionRow[] };

type Read<Row> = (at: PredictedRow, labels: readonly string[]) => Row | undefined;

const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const areTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);

const classRow: Read<ClassRow> = (at, labels) => {
  const { label } = at.prediction;
  const reference = isNumber(at.reference) ? labels[at.reference] : undefined;
  if (reference === undefined || !isText(label) || !labels.includes(label)) return undefined;
  return { at, reference, prediction: label };
};

const labelsRow: Read<LabelsRow> = (at, labels) => {
  const { reference, prediction } = at;
  if (!Array.isArray(reference) || reference.length !== labels.length || !reference.every(isNumber)) return undefined;
  if (!areTexts(prediction.labels)) return undefined;
  return { at, reference: labels.filter((_, i) => reference[i] === 1), prediction: prediction.labels };
};

const wordsRow: Read<WordsRow> = (at) => {
  const { labels, tokens } = at.prediction;
  if (!areTexts(at.reference) || !Array.isArray(labels) || !labels.every((one) => one === null || isText(one)))
    return undefined;
  return { at, words: areTexts(tokens) ? tokens : [], reference: at.reference, prediction: labels };
};

const numberRow: Read<NumberRow> = (at) => {
  const { value } = at.prediction;
  return isNumber(at.reference) && isNumber(value) ? { at, reference: at.reference, prediction: value } : undefined;
};

const textRow =
  (key: "answer" | "text"): Read<TextRow> =>
  (at) => {
    const text = at.prediction[key];
    return areTexts(at.reference) && isText(text) ? { at, reference: at.reference, prediction: text } : undefined;
  };

const tokenPredictionRow: Read<TokenPredictionRow> = (at) => {
  const { loss, tokens } = at.prediction;
  return isNumber(loss) && isNumber(tokens) ? { at, loss: loss / Math.max(1, tokens), tokens } : undefined;
};

const FORMS: { readonly [K in RowsOfKind["kind"]]: Read<Extract<RowsOfKind, { kind: K }>["rows"][number]> } = {
  classes: classRow,
  labels: labelsRow,
  words: wordsRow,
  numbers: numberRow,
  answers: textRow("answer"),
  texts: textRow("text"),
  tokens: tokenPredictionRow,
};

const withScore = <Row extends Placed>(row: Row): Row => {
  const { score } = row.at.prediction;
  return isNumber(score) ? { ...row, score } : row;
};

/** The rows in the form that fits all of them, whatever the task is called; undefined if no form does. */
export function rowsOfKind(rows: readonly PredictedRow[], labels: readonly string[]): RowsOfKind | undefined {
  if (rows.length === 0) return undefined;
  for (const [kind, read] of Object.entries(FORMS)) {
    const found = rows.map((row) => read(row, labels));
    if (found.every((row) => row !== undefined)) return { kind, rows: found.map(withScore) } as RowsOfKind;
  }
  return undefined;
}
