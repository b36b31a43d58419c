import type { NamedDatasets } from "./facts.js";
import { wordsFacts } from "./words.js";

/** Genes, proteins and cells in abstracts of MEDLINE (Kim et al., 2004): with development rows, or as the shared task had it. */
export const jnlpba = {
  jnlpba: wordsFacts({
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
