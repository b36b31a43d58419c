import { join } from "node:path";
import { readConll } from "./conll.js";
import type { Dataset, WordsExample } from "./example.js";
import { hubFiles } from "./hubParquet.js";
import { loadTable } from "./load.js";
import { namesIn, noFiles, type Split } from "./setFolder.js";
import { wordsExamples } from "./tableExamples.js";
import { rowError } from "./textFile.js";

/** Of each split the names that its file goes by. */
type Form = Readonly<Partial<Record<Split, readonly string[]>>>;

/** A published set of words with the tags of entities, a word a line, or as Parquet files. */
export interface WordsSet {
  readonly name: string;
  /** The kinds of entities, in the order of the tags' ids in Hugging Face's copy: O, then B and I of each. */
  readonly types: readonly string[];
  /** The sets of files that it is published in. A folder with several has the first. */
  readonly forms: readonly [Form, ...Form[]];
  /** The folder of the Hub's copy. */
  readonly configuration: string;
}

/** The tags in the order of their ids. */
export const tagNames = ({ types }: Pick<WordsSet, "types">): string[] => [
  "O",
  ...types.flatMap((type) => [`B-${type}`, `I-${type}`]),
];

/** Splits of the form that a folder has. @throws BidoraError where there is none */
export async function wordsSetSplits(set: WordsSet, directory: string): Promise<readonly Split[]> {
  const splits: Split[] = [];
  for (const split of ["train", "validation", "test"] as const)
    if ((await hubFiles(directory, [set.configuration], split)).length > 0) splits.push(split);
  if (splits.length > 0) return splits;
  return Object.keys(formIn(set, directory, await namesIn(directory))) as Split[];
}

/**
 * The sentences of one split. Tags may be IOB1, IOB2 or BIOES, as long as they name the set's kinds of entities.
 * @throws BidoraError naming the missing file, or the line at fault
 */
export async function readWordsSet(set: WordsSet, directory: string, split: Split): Promise<Dataset<WordsExample>> {
  const files = await hubFiles(directory, [set.configuration], split);
  const read = files.length > 0 ? await readParquetFiles(set, files) : await readColumns(set, directory, split);
  const tags = new Set(read.flatMap(({ label }) => label ?? []));
  const isBioes = [...tags].some((tag) => /^[ES]-/.test(tag));
  const ends = isBioes ? set.types.flatMap((type) => [`E-${type}`, `S-${type}`]) : [];
  return { examples: read, labelNames: [...tagNames(set), ...ends] };
}

async function readColumns(set: WordsSet, directory: string, split: Split): Promise<WordsExample[]> {
  const names = await namesIn(directory);
  const wanted = formIn(set, directory, names)[split] ?? [];
  const file = wanted.find((name) => names.includes(name));
  if (file === undefined) throw noFiles(directory, `${wanted.join(" or ")} of ${set.name}`);
  const sentences = await readConll(join(directory, file));
  for (const sentence of sentences) checkTags(set, sentence);
  return sentences;
}

/** The first form whose training file is there, else the first of which any is. */
function formIn({ name, forms }: WordsSet, directory: string, names: readonly string[]): Form {
  const has = (files: readonly string[] | undefined) => files?.some((file) => names.includes(file)) === true;
  const found = forms.find(({ train }) => has(train)) ?? forms.find((form) => Object.values(form).some(has));
  if (found) return found;
  const each = forms.map((form) => Object.values(form).map(([first]) => first));
  throw noFiles(directory, `files of ${name} (${each.map((files) => files.join(", ")).join("; or ")})`);
}

/** A file with other columns would have anything else for tags. */
function checkTags({ name, types }: WordsSet, { label, at }: WordsExample): void {
  if (label === undefined) throw rowError(at.file, at.line, `words alone, but ${name} has a tag in the last column.`);
  const wrong = label.findIndex((tag) => tag !== "O" && !(/^[BIES]-/.test(tag) && types.includes(tag.slice(2))));
  if (wrong === -1) return;
  const known = `O or B-, I-, E-, S- before one of ${types.join(", ")}`;
  throw rowError(at.file, at.line + wrong, `a tag of ${name} is ${known}, but the last column holds ${label[wrong]}.`);
}

/** Tags are numbers there. */
async function readParquetFiles(set: WordsSet, files: readonly string[]): Promise<WordsExample[]> {
  const sentences: WordsExample[] = [];
  for (const file of files) {
    const columns = { textColumns: ["tokens"], labelColumns: ["ner_tags"], labels: "required" } as const;
    for (const example of wordsExamples(await loadTable(file), columns).examples) sentences.push(named(set, example));
  }
  return sentences;
}

function named(set: WordsSet, example: WordsExample): WordsExample {
  const names = tagNames(set);
  const { label = [], at } = example;
  const tags = label.map((id) => {
    const tag = names[Number(id)];
    if (tag !== undefined) return tag;
    throw rowError(at.file, at.line, `a tag of ${set.name} is a number from 0 to ${names.length - 1}, but ${id} came.`);
  });
  return { ...example, label: tags };
}
