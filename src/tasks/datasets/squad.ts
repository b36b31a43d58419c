import { readSquad } from "../../data/index.js";
import type { NamedDatasets } from "./facts.js";

/** Questions on paragraphs of Wikipedia (Rajpurkar et al., 2016), and ones that have no answer there (2018). */
export const squad = {
  squad: {
    task: "question-answering",
    labelNames: [],
    labelled: ["train", "validation"],
    load: readSquad,
  },
} as const satisfies NamedDatasets;
