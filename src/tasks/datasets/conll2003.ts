import type { NamedDatasets } from "./facts.js";
import { wordsFacts } from "./words.js";

/** Names of people, organisations and places in news (Tjong Kim Sang and De Meulder, 2003), the English part. */
export const conll2003 = {
  conll2003: wordsFacts({
    name: "CoNLL-2003",
    types: ["PER", "ORG", "LOC", "MISC"],
    forms: [
      { train: ["eng.train"], validation: ["eng.testa"], test: ["eng.testb"] },
      { train: ["train.txt"], validation: ["valid.txt", "dev.txt"], test: ["test.txt"] },
    ],
    configuration: "conll2003",
  }),
} as const satisfies NamedDatasets;
