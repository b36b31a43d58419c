import { readE2e } from "../../data/index.js";
import type { NamedDatasets } from "./facts.js";

/** Texts about restaurants from what they shall say: the E2E NLG Challenge (Novikova et al., 2017). */
export const e2eNlg = {
  "e2e-nlg": {
    task: "causal-lm",
    labelNames: [],
    texts: true,
    labelled: ["train", "validation", "test"],
    load: readE2e,
  },
} as const satisfies NamedDatasets;
