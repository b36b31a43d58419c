import { type ReutersSplit, readReuters } from "../../data/index.js";
import type { NamedDatasetFacts, NamedDatasets } from "./facts.js";

/** Topics of newswire stories, any number each: the Reuters-21578 collection, Distribution 1.0, by its three usual divisions. */
export const reuters21578 = {
  "reuters21578/modapte": divided("modapte"),
  "reuters21578/modhayes": divided("modhayes"),
  "reuters21578/modlewis": divided("modlewis"),
} as const satisfies NamedDatasets;

function divided(by: ReutersSplit): NamedDatasetFacts {
  return {
    task: "multi-label-classification",
    labelNames: [],
    labelled: ["train", "test"],
    load: (directory, split) => readReuters(by, directory, split),
  };
}
