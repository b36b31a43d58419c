import { type ProteinSet, proteinSplits, readProteins, type Split } from "../../data/index.js";
import type { NamedDatasetFacts, NamedDatasets } from "./facts.js";

const CLASSES = { task: "sequence-classification", metrics: ["accuracy", "precision", "recall", "f1"] } as const;

/** Sequences of amino acids, for protein models such as ESM-2. */
export const protein = {
  /** Peptides that pass the blood-brain barrier, in UniDL4BioPep's division (Du et al., 2023). */
  "protein/bbp": {
    ...proteins({
      name: "BBP",
      stem: "BBP",
      labelColumns: ["label"],
      labelNames: ["negative", "positive"],
    }),
    ...CLASSES,
    positive: "positive",
  },
  /** Proteins of organisms that live hot or cold (Chen et al., 2023). */
  "protein/hotprotein-s2c2": {
    ...proteins({
      name: "HotProtein's S2C2",
      stem: "S2C2",
      labelColumns: ["label", "class", "target"],
      labelNames: ["0", "1"],
    }),
    ...CLASSES,
    positive: "1",
  },
  /** The least concentration of a peptide that inhibits E. coli. */
  "protein/mic": {
    ...proteins({ name: "MIC", stem: "MIC", labelColumns: ["value", "label", "mic", "target"] }),
    task: "regression",
    metrics: ["mean-squared-error", "spearman"],
  },
} as const satisfies NamedDatasets;

function proteins(set: ProteinSet): Pick<NamedDatasetFacts, "labelNames" | "labelled" | "load"> & {
  labelledIn(directory: string): Promise<readonly Split[]>;
} {
  return {
    labelNames: set.labelNames ?? [],
    labelled: ["train", "validation", "test"],
    labelledIn: (directory) => proteinSplits(set, directory),
    load: (directory, split) => readProteins(set, directory, split),
  };
}
