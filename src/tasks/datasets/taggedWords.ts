/** Published sets of sentences with an entity tag for each word: in columns, or as the Hub's Parquet files. */
import { join } from "node:path";
import { readConll } from "../data/files/conll.js";
import { type Dataset, loadTable, rowError, type WordsExample } from "../data/index.js";
import { wordsExamples } from "../data/loadExamples.js";
import type { NamedDatasetFacts, Split } from "./dataset.js";
import { hubFiles, missingFiles, namesIn } from "./files.js";

/** The file names of each split, in order of preference. */
type Form = Readonly<Partial<Record<Split, readonly string[]>>>;

interface TaggedWords {
  readonly name: string;
  /** The entity types, in the order of the tag ids in Hugging Face's copy: O, then B and I of each. */
  readonly types: readonly string[];
  /** The layouts in which it is published. Where a folder has several, the first counts. */
  readonly forms: readonly [Form, ...Form[]];
  /** The folder of the Hub's copy. */
  readonly configuration: string;
}

export function taggedWords(set: TaggedWords): NamedDatasetFacts {
  return {
    task: "token-classification",
    files: "columns as published, or Parquet",
    labelNames: tagNames(set),
    labeled: ["train", "validation", "test"],
    labeledIn: (directory) => splitsIn(set, directory),
    load: (directory, split) => readSplit(set, directory, split),
  };
}

/** The tags in the order of their ids. */
const tagNames = ({ types }: Pick<TaggedWords, "types">): string[] => [
  "O",
  ...types.flatMap((type) => [`B-${type}`, `I-${type}`]),
];

/** The splits that a folder has files for. @throws BidoraError if it has none */
async function splitsIn(set: TaggedWords, directory: string): Promise<readonly Split[]> {
  const splits: Split[] = [];
  for (const split of ["train", "validation", "test"] as const)
    if ((await hubFiles(directory, [set.configuration], split)).length > 0) splits.push(split);
  if (splits.length > 0) return splits;
  return Object.keys(formIn(set, directory, await namesIn(directory))) as Split[];
}

/** Tags may be IOB1, IOB2 or BIOES, of the set's own entity types. @throws BidoraError naming the missing file, or the line at fault */
async function readSplit(set: TaggedWords, directory: string, split: Split): Promise<Dataset<WordsExample>> {
  const files = await hubFiles(directory, [set.configuration], split);
  const read = files.length > 0 ? await readParquetFiles(set, files) : await readColumns(set, directory, split);
  const tags = new Set(read.flatMap(({ label }) => label ?? []));
  const isBioes = [...tags].some((tag) => /^[ES]-/.test(tag));
  const ends = isBioes ? set.types.flatMap((type) => [`E-${type}`, `S-${type}`]) : [];
  return { examples: read, labelNames: [...tagNames(set), ...ends] };
}

async function readColumns(set: TaggedWords, directory: string, split: Split): Promise<WordsExample[]> {
  const names = await namesIn(directory);
  const wanted = formIn(set, directory, names)[split] ?? [];
  const file = wanted.find((name) => names.includes(name));
  if (file === undefined) throw missingFiles(directory, `${wanted.join(" or ")} of ${set.name}`);
  const sentences = await readConll(join(directory, file));
  for (const sentence of sentences) checkTags(set, sentence);
  return sentences;
}

/** The first layout whose training file exists, else the first with any file. */
function formIn({ name, forms }: TaggedWords, directory: string, names: readonly string[]): Form {
  const has = (files: readonly string[] | undefined) => files?.some((file) => names.includes(file)) === true;
  const found = forms.find(({ train }) => has(train)) ?? forms.find((form) => Object.values(form).some(has));
  if (found) return found;
  const each = forms.map((form) => Object.values(form).map(([first]) => first));
  throw missingFiles(directory, `files of ${name} (${each.map((files) => files.join(", ")).join("; or ")})`);
}

/** Refuses a file whose last column holds something other than tags. */
function checkTags({ name, types }: TaggedWords, { label, at }: WordsExample): void {
  if (label === undefined)
    throw rowError(at.file, at.line, `the line has only a word, but ${name} has a tag in the last column.`);
  const wrong = label.findIndex((tag) => tag !== "O" && !(/^[BIES]-/.test(tag) && types.includes(tag.slice(2))));
  if (wrong === -1) return;
  const known = `O or B-, I-, E-, S- before one of ${types.join(", ")}`;
  throw rowError(at.file, at.line + wrong, `a tag of ${name} is ${known}, but the last column holds ${label[wrong]}.`);
}

/** In Parquet files tags are ids. */
async function readParquetFiles(set: TaggedWords, files: readonly string[]): Promise<WordsExample[]> {
  const sentences: WordsExample[] = [];
  for (const file of files) {
    const columns = { textColumns: ["tokens"], labelColumns: ["ner_tags"], labels: "required" } as const;
    for (const example of wordsExamples(await loadTable(file), columns).examples) sentences.push(named(set, example));
  }
  return sentences;
}

function named(set: TaggedWords, example: WordsExample): WordsExample {
  const names = tagNames(set);
  const { label = [], at } = example;
  const tags = label.map((id) => {
    const tag = names[Number(id)];
    if (tag !== undefined) return tag;
    throw rowError(
      at.file,
      at.line,
      `a tag of ${set.name} is a number from 0 to ${names.length - 1}, but this is ${id}.`,
    );
  });
  return { ...example, label: tags };
}
