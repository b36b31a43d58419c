/** Label names, and their order in a model's outputs. */
import { BidoraError, byCodePoint, checkArguments, names as listOfNames, takes } from "../../base/index.js";
import { type Example, type Location, where } from "./example.js";

const aMap = takes("a Map of names to indices", (value) => value instanceof Map);

/** The labels of a task in the order of the model's outputs. */
export class LabelMap {
  readonly #index: ReadonlyMap<string, number>;

  /** @param names in the order of the outputs @param aliases other spellings of a label, with its index in that order */
  constructor(
    readonly names: readonly string[],
    aliases: ReadonlyMap<string, number> = new Map(),
  ) {
    checkArguments("LabelMap", ["names", names, listOfNames], ["aliases", aliases, aMap]);
    this.#index = new Map([...aliases, ...names.map((name, i) => [name, i] as const)]);
  }

  /** The index of a label in any of its spellings, or undefined. */
  find(label: string | number): number | undefined {
    return this.#index.get(String(label));
  }

  /** The same with more labels at the end. */
  and(names: readonly string[]): LabelMap {
    return new LabelMap([...this.names, ...names], this.#index);
  }

  /** The index of a label. @throws BidoraError for an unknown label */
  indexOf(label: string | number, at: Location): number {
    const index = this.find(label);
    if (index !== undefined) return index;
    const known = this.names.length > 20 ? [...this.names.slice(0, 20), "…"] : this.names;
    throw new BidoraError(
      "UNKNOWN_LABEL",
      `${where(at)}: the label ${label} is not one of the known labels: ${known.join(", ")}.`,
    );
  }
}

interface LabelSources {
  /** The label names in a checkpoint's config.json, in the order of their ids. */
  readonly checkpoint?: readonly string[] | undefined;
  /** All label names in order, if the data set defines them. */
  readonly dataset?: readonly string[] | undefined;
  /** The label names of a named data set, whose files may have ids instead. */
  readonly numbered?: readonly string[] | undefined;
}

/**
 * The order of the labels: the checkpoint's if all labels of the training examples fit it, else the data set's, else integers by value,
 * else names by code point.
 * @throws BidoraError if no example has a label
 */
export function labelMap(examples: readonly Example[], sources: LabelSources = {}): LabelMap {
  const { checkpoint, dataset } = sources;
  const found = new Set(dataset ?? labelsOf(examples));
  if (found.size === 0) throw new BidoraError("NO_LABELS", "No row has a label, but the task needs labels.");
  const fitted = checkpoint === undefined ? undefined : fitCheckpoint(checkpoint, found, sources);
  return fitted ?? new LabelMap(dataset ?? sortLabels(found));
}

/**
 * The labels of a model for inference, in its order and in the spelling of the examples: for placeholders such as `LABEL_0` the data set's
 * names, if their order is published. A label of the examples that the model lacks is an error later.
 */
export function modelLabels(
  examples: readonly Example[],
  sources: LabelSources & { readonly checkpoint: readonly string[] },
): LabelMap {
  const { checkpoint, dataset, numbered } = sources;
  const counts = [dataset?.length, numbered?.length];
  if (dataset && counts.every((count) => count === checkpoint.length) && checkpoint.every(isPlaceholder))
    return new LabelMap(dataset);
  return fitCheckpoint(checkpoint, new Set(dataset ?? labelsOf(examples)), sources) ?? new LabelMap(checkpoint);
}

/** Labels of which the second is positive. */
const PAIRS = [
  ["0", "1"],
  ["false", "true"],
  ["no", "yes"],
  ["negative", "positive"],
] as const;

/**
 * The index of the positive label of two, in whatever order the model has them: the second of a usual pair, else the rarer one of the
 * examples, else the later one by value or name.
 */
export function positiveLabel(labels: LabelMap, examples: readonly Example[] = []): number {
  const pair = PAIRS.find((names) => names.every((name) => findFolded(labels, name) !== undefined));
  if (pair) return findFolded(labels, pair[1])!;
  const counts = [0, 0];
  for (const { label } of examples) counts[labels.find(label as string | number) ?? -1]! += 1;
  const later = labels.names.indexOf(sortLabels(labels.names)[1] ?? "");
  return counts[1 - later]! < counts[later]! ? 1 - later : later;
}

/** The index of a label in whatever case. */
function findFolded(labels: LabelMap, wanted: string): number | undefined {
  const at = labels.names.findIndex((name) => name.toLowerCase() === wanted.toLowerCase());
  return at === -1 ? labels.find(wanted) : at;
}

/** A data set's label by its name, or by its id, as some files of the set have it. */
export const findNamed = (labels: LabelMap, names: readonly string[], wanted: string): number | undefined =>
  findFolded(labels, wanted) ?? labels.find(names.indexOf(wanted));

function labelsOf(examples: readonly Example[]): Set<string> {
  const found = new Set<string>();
  for (const example of examples) {
    const { label } = example;
    if (Array.isArray(label)) for (const name of label) found.add(String(name));
    else if (label !== undefined) found.add(String(label));
  }
  return found;
}

function sortLabels(found: Iterable<string>): string[] {
  const names = [...found];
  return names.every(isInteger) ? names.sort((a, b) => Number(a) - Number(b)) : names.sort(byCodePoint);
}

function isInteger(name: string): boolean {
  return /^-?\d+$/.test(name);
}

/** Whether a name is only a placeholder for the label's id. */
function isPlaceholder(name: string, id: number): boolean {
  return name === `LABEL_${id}` || name === String(id);
}

/**
 * A checkpoint's names fit if they are the labels themselves, or differ only in case. Where they are placeholders (`LABEL_0`), they mean
 * a named data set's labels with the same ids. Integers in range are the checkpoint's ids, or those of a named data set with the same
 * names.
 */
function fitCheckpoint(
  names: readonly string[],
  found: ReadonlySet<string>,
  { dataset, numbered }: LabelSources,
): LabelMap | undefined {
  const exact = new Set(names);
  if ([...found].every((label) => exact.has(label))) return new LabelMap(names);
  const lower = new Map(names.map((name, i) => [name.toLowerCase(), i]));
  const folded = [...found].map((label) => [label, lower.get(label.toLowerCase())] as const);
  if (lower.size === names.length && folded.every((pair): pair is [string, number] => pair[1] !== undefined)) {
    return new LabelMap(names, new Map(folded));
  }
  if (dataset !== undefined) return undefined;
  const own = numbered?.length === names.length && names.every(isPlaceholder) ? numbered : names;
  const known = new Set(own);
  if (own === numbered && [...found].every((label) => known.has(label))) return new LabelMap(own);
  // Where names are numbers themselves, but not the ids, a number could mean two labels.
  if (own.some((name, id) => isInteger(name) && name !== String(id))) return undefined;
  if ([...found].every((label) => /^\d+$/.test(label) && Number(label) < names.length))
    return new LabelMap(own, new Map(names.map((_, id) => [String(id), indexOfId(id, lower, numbered)])));
  return undefined;
}

/** @param lower the checkpoint's names in lower case, with their indices @returns the index of the label that an id means */
function indexOfId(id: number, lower: ReadonlyMap<string, number>, numbered: readonly string[] = []): number {
  const indices = numbered.map((name) => lower.get(name.toLowerCase()));
  return indices.includes(undefined) ? id : (indices[id] ?? id);
}
