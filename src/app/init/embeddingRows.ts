/** Pairs of texts that belong together, to learn embeddings from. */
import { anchoredColumns } from "../../tasks/data/index.js";
import { type Guess, type Guessed, listed, type Rows } from "./guess.js";

const TASK = "embedding";

/** Rows with the usual columns of an anchor and its positive. */
export function guessEmbeddings({ table, columns }: Rows, given: Guessed): Guess | undefined {
  if (given.task !== undefined && given.task !== TASK) return undefined;
  const found = given.textColumns || given.labelColumn ? undefined : anchoredColumns(table);
  if (!found) return undefined;
  const read = columns.filter(({ name }) => found.includes(name));
  const reason = `${listed(read)}: ${TASK}, learned from pairs.`;
  return { settings: { ...given, task: TASK }, reasons: [reason], open: [], columns: found };
}
