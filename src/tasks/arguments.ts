/** What the calls about tasks take. */
import { having, listOf } from "../common/arguments.js";

export const aTask = having("a task, such as sequenceClassification", "encode", "loss", "weight");
export const aNamedTask = having("a task under a name, { kind, task }", "kind", "task");
export const aTokenizer = having("a tokenizer, as loadTokenizer gives it", "encodeBatch");
export const aBatch = having("a batch, as batchOf gives it", "rows", "input");
export const examplesOfRows = listOf(
  "a list of examples, as loadTexts reads them",
  having("an example", "input", "at"),
);
