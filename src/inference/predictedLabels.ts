import { BidoraError } from "../common/errors.js";
import { type Dataset, type LabelMap, labelMap } from "../data/index.js";
import { namedDatasets, type TaskChoice } from "../datasets/index.js";

/** Predictions whose labels are spelled as the rows spell theirs, and all labels. */
export interface SpelledPredictions {
  readonly labels: LabelMap;
  readonly predictions: readonly object[];
}

/**
 * Gives predicted labels the rows' spelling: a model may have them in other letters, or stand-ins (`LABEL_1`) and numbers for the ids
 * of a named data set, and rows the numbers. What no row has stays as it is, and is wrong.
 * @throws BidoraError `PREDICTIONS` where a named data set has none of the predicted labels, where one side has numbers alone, and
 *   where every row's label is -1, as the Hub's test files say that there is none
 */
export function spellLabels(
  { dataset: name }: Pick<TaskChoice, "dataset">,
  dataset: Dataset,
  predictions: readonly object[],
): SpelledPredictions {
  const numbered = name ? namedDatasets[name].labelNames : [];
  // By its names a named data set's labels are judged alike whether the rows have these or their numbers.
  const rowLabels = labelMap(dataset.examples, { checkpoint: numbered, dataset: dataset.labelNames });
  const { names } = rowLabels;
  const spell = spelling(names, numbered);
  const spelled = predictions.map((prediction) => withLabels(prediction, spell));
  const found = [...new Set(spelled.flatMap(labelsIn))];
  const others = found.filter((name) => rowLabels.find(name) === undefined);
  const isPublished = dataset.labelNames !== undefined || numbered.length > 0;
  const isOther = isPublished || areNumbers(found) !== areNumbers(names) || names.every((name) => name === UNLABELLED);
  if (isOther && found.length > 0 && others.length === found.length)
    throw new BidoraError(
      "PREDICTIONS",
      `none of the predicted labels (${found.join(", ")}) is one of the rows' (${names.join(", ")}): predictions by these names are expected.`,
    );
  return { labels: withUnnamed(rowLabels.and(others), predictions), predictions: spelled };
}

/**
 * The same with stand-ins for labels of the model that neither rows nor predictions have: they count in what is a mean over all, and
 * more than two have no positive one. Which of two labels is the positive one the only name that is known does not say.
 */
function withUnnamed(labels: LabelMap, predictions: readonly Labelled[]): LabelMap {
  const count = predictions.reduce((most, { logits = [] }) => Math.max(most, logits.length), 0);
  const isOneOfTwo = count === 2 && predictions.some(({ label }) => label !== undefined);
  const unnamed = isOneOfTwo ? 0 : Math.max(0, count - labels.names.length);
  return labels.and(Array.from({ length: unnamed }, (_, i) => `unnamed label ${i + 1}`));
}

/** Stands for a label that was not published. */
const UNLABELLED = "-1";

const ID = /^(?:LABEL_)?(\d+)$/;

const areNumbers = (names: readonly string[]): boolean => names.every((name) => ID.test(name));

/** @param numbered the names that a data set's ids stand for; none of one whose files alone say them */
function spelling(names: readonly string[], numbered: readonly string[]): (name: string) => string {
  const exact = new Set(names);
  const lower = new Map(names.map((name) => [name.toLowerCase(), name]));
  const ids = new Map(numbered.map((name, id) => [name.toLowerCase(), String(id)]));
  const known = (name: string): string | undefined => (exact.has(name) ? name : undefined);
  return (name) => {
    const id = ID.exec(name)?.[1] ?? ids.get(name.toLowerCase()) ?? name;
    const folded = lower.size === names.length ? lower.get(name.toLowerCase()) : undefined;
    return known(name) ?? known(numbered[Number(id)] ?? id) ?? folded ?? name;
  };
}

interface Labelled {
  readonly label?: string;
  readonly labels?: readonly (string | null)[];
  /** One for each label of the model. */
  readonly logits?: readonly unknown[];
}

function withLabels(prediction: object, spell: (name: string) => string): object {
  const { label, labels } = prediction as Labelled;
  return {
    ...prediction,
    ...(label !== undefined && { label: spell(label) }),
    ...(labels && { labels: labels.map((name) => name && spell(name)) }),
  };
}

function labelsIn(prediction: object): string[] {
  const { label, labels = [] } = prediction as Labelled;
  return [...(label === undefined ? [] : [label]), ...labels.filter((name) => name !== null)];
}
