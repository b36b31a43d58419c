import type { NamedDatasets } from "./dataset.js";
import { taggedWords } from "./taggedWords.js";

/**
 * Names of people, organizations, places and others in news text (Tjong Kim Sang and De Meulder, 2003), the English part:
 * `eng.train`, `eng.testa`, `eng.testb` (IOB1), or `train.txt`, `valid.txt`, `test.txt`, with four columns, of which the last is read;
 * or the Hub's Parquet files. `-DOCSTART-` lines are skipped. Tags may be IOB1, IOB2 or BIOES: the metrics find the same entities in
 * each.
 */
export const conll2003 = {
  conll2003: taggedWords({
    name: "CoNLL-2003",
    types: ["PER", "ORG", "LOC", "MISC"],
    forms: [
      { train: ["eng.train"], validation: ["eng.testa"], test: ["eng.testb"] },
      { train: ["train.txt"], validation: ["valid.txt", "dev.txt"], test: ["test.txt"] },
    ],
    configuration: "conll2003",
  }),
} as const satisfies NamedDatasets;
