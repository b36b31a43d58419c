import { readWordsSet, tagNames, type WordsSet, wordsSetSplits } from "../../data/index.js";
import type { NamedDatasetFacts } from "./facts.js";

/** A set of words with the tags of entities. */
export function wordsFacts(set: WordsSet): NamedDatasetFacts {
  return {
    task: "token-classification",
    labelNames: tagNames(set),
    labelled: ["train", "validation", "test"],
    labelledIn: (directory) => wordsSetSplits(set, directory),
    load: (directory, split) => readWordsSet(set, directory, split),
  };
}
