import { readConllu } from "../data/files/conll.js";
import type { Dataset, WordsExample } from "../data/index.js";
import type { NamedDatasets, Split } from "./dataset.js";
import { fileIn } from "./files.js";

/** The universal part-of-speech tags, in the order of https://universaldependencies.org/u/pos/all.html. */
const UPOS = [
  ...["ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"],
  ...["PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"],
];

/**
 * Universal part-of-speech tags (UPOS) of the English Web Treebank of Universal Dependencies (Silveira et al., 2014):
 * `en_ewt-ud-train.conllu`, `en_ewt-ud-dev.conllu`, `en_ewt-ud-test.conllu` (12 544, 2 001 and 2 077 sentences in release 2.15). A row
 * is a sentence of syntactic words: multiword tokens (`1-2`) and empty nodes (`8.1`) are skipped, so that *don't* is the two words *do*
 * and *n't*.
 */
export const udEnglishEwt = {
  "ud-english-ewt": {
    task: "token-classification",
    files: "the treebank's CoNLL-U files",
    labelNames: UPOS,
    labeled: ["train", "validation", "test"],
    load,
  },
} as const satisfies NamedDatasets;

const STEMS: Readonly<Record<Split, string>> = { train: "train", validation: "dev", test: "test" };

async function load(directory: string, split: Split): Promise<Dataset<WordsExample>> {
  const name = `en_ewt-ud-${STEMS[split]}.conllu`;
  const file = await fileIn(directory, name, "Universal Dependencies' English Web Treebank");
  return { examples: await readConllu(file, "upos"), labelNames: UPOS };
}
