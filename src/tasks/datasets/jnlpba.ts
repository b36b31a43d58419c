import type { NamedDatasets } from "./dataset.js";
import { taggedWords } from "./taggedWords.js";

/**
 * Genes, proteins and cells in MEDLINE abstracts (Kim et al., 2004): `train.tsv`, `devel.tsv`, `test.tsv` (16 807, 1 739 and 3 856
 * sentences), or the shared task's `Genia4ERtask1.iob2` (18 546 sentences, no validation rows) and `Genia4EReval1.iob2`; the former
 * where a folder has both; or the Hub's Parquet files.
 */
export const jnlpba = {
  jnlpba: taggedWords({
    name: "JNLPBA",
    types: ["DNA", "RNA", "cell_line", "cell_type", "protein"],
    forms: [
      { train: ["train.tsv"], validation: ["devel.tsv"], test: ["test.tsv"] },
      {
        train: ["Genia4ERtask1.iob2", "Genia4ERtask2.iob2"],
        test: ["Genia4EReval1.iob2", "Genia4EReval2.iob2"],
      },
    ],
    configuration: "jnlpba",
  }),
} as const satisfies NamedDatasets;
