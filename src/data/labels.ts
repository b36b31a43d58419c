import { checkArguments, names as listOfNames, takes } from "../common/arguments.js";
import { BidoraError } from "../common/errors.js";
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

  /** The index of a label in one of its spellings, or undefined. */
  find(label: string | number): number | undefined {
    return this.#index.get(String(label));
  }

  /** The same with further labels behind these. */
  and(names: readonly string[]): LabelMap {
    return new LabelMap([...this.names, ...names], this.#index);
  }

  /** The label's index. @throws BidoraError if there is no such label. */
  indexOf(label: string | number, at: Location): number {
    const index = this.find(label);
    if (index !== undefined) return index;
    const known = this.names.length > 20 ? [...this.names.slice(0, 20), "…"] : this.names;
    throw new BidoraError(
      "UNKNOWN_LABEL",
      `${where(at)}: the label ${label} is none of those known: ${known.join(", ")}.`,
    );
  }
}

interface LabelSources {
  /** The labels as a checkpoint's config.json names them, in the order of their ids. */
  readonly checkpoint?: readonly string[] | undefined;
  /** All label names in their order, where the data set says so itself. */
  readonly dataset?: readonly string[] | undefined;
  /** The names that whole numbers stand for in files of a named data set. */
  readonly numbered?: readonly string[] | undefined;
}

/**
 * The order of the labels: the checkpoint's if all labels of the training rows fit it, else the data set's own, else whole
 * numbers by value, else names by code point.
 * @throws BidoraError if no row has a label.
 */
export function labelMap(examples: readonly Example[], sources: LabelSources = {}): LabelMap {
  const { checkpoint, dataset } = sources;
  const found = new Set(dataset ?? labelsOf(examples));
  if (found.size === 0) throw new BidoraError("NO_LABELS", "None of the rows has a label, but the task needs them.");
  const fitted = checkpoint === undefined ? undefined : fitCheckpoint(checkpoint, found, sources);
  return fitted ?? new LabelMap(dataset ?? sortLabels(found));
}

/**
 * The labels of a model that is only used, in its order, with the spellings that the rows have for them: for stand-ins such as
 * `LABEL_0` the data set's own names, where their order is published. A label of the rows that the model lacks is an error later.
 */
export function modelLabels(
  examples: readonly Example[],
  sources: LabelSources & { readonly checkpoint: readonly string[] },
): LabelMap {
  const { checkpoint, dataset, numbered } = sources;
  const counts = [dataset?.length, numbered?.length];
  if (dataset && counts.every((count) => count === checkpoint.length) && checkpoint.every(isStandIn))
    return new LabelMap(dataset);
  return fitCheckpoint(checkpoint, new Set(dataset ?? labelsOf(examples)), sources) ?? new LabelMap(checkpoint);
}

/** Of two labels, the index of the one that F1 is about, in whatever order the model has them. */
export function positiveLabel(
  labels: LabelMap,
  dataset?: { readonly labelNames: readonly string[]; readonly positive?: string | undefined },
): number {
  const named = dataset?.positive === undefined ? undefined : findNamed(labels, dataset.labelNames, dataset.positive);
  if (named !== undefined) return named;
  const one = labels.find("0") === undefined ? undefined : labels.find("1");
  return one ?? labels.names.indexOf(sortLabels(labels.names)[1] ?? "");
}

/** A data set's label by its name, or by its number, as files of the set may have it. */
function findNamed(labels: LabelMap, names: readonly string[], wanted: string): number | undefined {
  const byName = labels.names.findIndex((name) => name.toLowerCase() === wanted.toLowerCase());
  return byName === -1 ? labels.find(names.indexOf(wanted)) : byName;
}

/** The order of UTF-8 bytes is that of the code points; JavaScript's own order, by UTF-16 units, is not. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

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

/** A name that says no more than the label's id. */
function isStandIn(name: string, id: number): boolean {
  return name === `LABEL_${id}` || name === String(id);
}

/**
 * A checkpoint's names fit if they are the labels themselves, or differ in case only. Where they are stand-ins (`LABEL_0`), a
 * named data set's names stand for its ids. Whole numbers in range stand for the checkpoint's ids, or for those of a named data
 * set that it has the names of.
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
  const own = numbered?.length === names.length && names.every(isStandIn) ? numbered : names;
  const known = new Set(own);
  if (own === numbered && [...found].every((label) => known.has(label))) return new LabelMap(own);
  // Among names that are numbers themselves, and not the ids, a number would stand for two labels.
  if (own.some((name, id) => isInteger(name) && name !== String(id))) return undefined;
  if ([...found].every((label) => /^\d+$/.test(label) && Number(label) < names.length))
    return new LabelMap(own, new Map(names.map((_, id) => [String(id), indexOfId(id, lower, numbered)])));
  return undefined;
}

/** @param lower the checkpoint's names in lower case, with their indices */
function indexOfId(id: number, lower: ReadonlyMap<string, number>, numbered: readonly string[] = []): number {
  const indices = numbered.map((name) => lower.get(name.toLowerCase()));
  return indices.includes(undefined) ? id : (indices[id] ?? id);
}
