import { expect, test } from "vitest";
import { TASKS } from "../../../src/tasks/index.js";
import { faultOf, folderOf, rowsOf, splitsOf } from "./folders.js";

const FILES = ["train", "dev", "test"].map((part) => `en_ewt-ud-${part}.conllu`);

/** A line of CoNLL-U, with tags other than UPOS in the other columns. */
const word = (id: string, form: string, upos: string) =>
  [id, form, form, upos, "NN", "_", "0", "root", "_", "_"].join("\t");

const SENTENCES = [
  "# sent_id = reviews-1\n# text = Don't sleep.",
  word("1-2", "Don't", "_"),
  word("1", "Do", "AUX"),
  word("2", "n't", "PART"),
  word("3", "sleep", "VERB"),
  word("3.1", "again", "ADV"),
  word("4", ".", "PUNCT"),
  "",
  word("1", "Wow", "INTJ"),
  "\n",
].join("\n");

test("rows are sentences of words with their UPOS tags, without multiword tokens and empty nodes", async () => {
  const folder = folderOf(Object.fromEntries(FILES.map((name, i) => [name, SENTENCES.repeat(i + 1)])));
  const { inputs, labels, lines, labelNames } = await rowsOf("ud-english-ewt", folder, "train");
  expect(inputs).toEqual([["Do", "n't", "sleep", "."], ["Wow"]]);
  expect(labels).toEqual([["AUX", "PART", "VERB", "PUNCT"], ["INTJ"]]);
  expect(lines).toEqual([4, 10]);
  expect(labelNames).toHaveLength(17);
  expect((await rowsOf("ud-english-ewt", folder, "validation")).inputs).toHaveLength(4);
  expect((await rowsOf("ud-english-ewt", folder, "test")).inputs).toHaveLength(6);
  expect(await splitsOf("ud-english-ewt", folder)).toEqual(["train", "validation", "test"]);
});

test("results are the share of words with the right tag", async () => {
  const folder = folderOf({ [FILES[0] as string]: SENTENCES });
  const { labels, labelNames = [] } = await rowsOf("ud-english-ewt", folder, "train");
  const { main, metric } = TASKS["token-classification"].scorer({ labels: labelNames });
  const [tags] = labels as string[][];
  const predicted = { tokens: [], logits: [], labels: ["AUX", "PART", "NOUN", "PUNCT"] };
  expect(main).toBe("accuracy");
  expect(metric.result([metric.measure(tags as string[], predicted, 1)])).toEqual({ accuracy: 0.75 });
});

test("a missing file is named", async () => {
  const folder = folderOf({ [FILES[0] as string]: SENTENCES });
  expect(await faultOf(rowsOf("ud-english-ewt", folder, "validation"))).toBe(
    `${folder} has no en_ewt-ud-dev.conllu of Universal Dependencies' English Web Treebank: --data must be the folder with the published files.`,
  );
});
