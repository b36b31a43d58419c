/** The named data sets. */
import { conll2003 } from "./conll2003.js";
import type { NamedDatasetFacts } from "./dataset.js";
import { e2eNlg } from "./e2eNlg.js";
import { glue } from "./glue.js";
import { jnlpba } from "./jnlpba.js";
import { protein } from "./protein.js";
import { reuters21578 } from "./reuters21578.js";
import { squad } from "./squad.js";
import { udEnglishEwt } from "./udEnglishEwt.js";

/** In the order of the documentation. */
const sets = {
  ...glue,
  ...reuters21578,
  ...conll2003,
  ...jnlpba,
  ...e2eNlg,
  ...protein,
  ...squad,
  ...udEnglishEwt,
};

export type NamedDataset = keyof typeof sets;

/** The data sets that `--task` knows by name; `--data` is the folder of their files. */
export const namedDatasets: Readonly<Record<NamedDataset, NamedDatasetFacts>> = sets;

export function isNamedDataset(name: string): name is NamedDataset {
  return Object.hasOwn(namedDatasets, name);
}
