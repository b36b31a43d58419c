import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lenientEntities } from "../../../src/tasks/metrics/parts/entities.js";
import { faultOf, folderOf, HUB, rowsOf, splitsOf } from "./folders.js";

const START = "-DOCSTART- -X- O O\r\n\r\n";
const IOB1 = `${START}EU NNP I-NP I-ORG\r\nrejects VBZ I-VP O\r\n\r\nGerman JJ I-NP I-MISC\r\nBritish JJ B-NP B-MISC\r\n\r\n${START}Peter NNP I-NP I-PER\r\n`;
const CONLL = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"];

describe("CoNLL-2003", () => {
  it("the published files are read: IOB1 in four columns, CRLF, lines between documents", async () => {
    const folder = folderOf({ "eng.train": IOB1, "eng.testa": IOB1, "eng.testb": IOB1 });
    expect(await splitsOf("conll2003", folder)).toEqual(["train", "validation", "test"]);
    for (const split of ["train", "validation", "test"] as const)
      expect(await rowsOf("conll2003", folder, split)).toEqual({
        inputs: [["EU", "rejects"], ["German", "British"], ["Peter"]],
        labels: [["I-ORG", "O"], ["I-MISC", "B-MISC"], ["I-PER"]],
        lines: [3, 6, 11],
        labelNames: CONLL,
      });
  });

  it("files with other usual names and the Hub's tag ids are read", async () => {
    const folder = folderOf({ "train.txt": "EU B-ORG\n", "valid.txt": "a O\n", "test.txt": "b O\n" });
    expect(await splitsOf("conll2003", folder)).toEqual(["train", "validation", "test"]);
    expect(await rowsOf("conll2003", folder, "train")).toMatchObject({ labels: [["B-ORG"]], labelNames: CONLL });
    expect((await rowsOf("conll2003", folder, "validation")).inputs).toEqual([["a"]]);
    for (const hub of [HUB, join(HUB, "conll2003")]) {
      expect(await splitsOf("conll2003", hub)).toEqual(["train", "validation", "test"]);
      expect(await rowsOf("conll2003", hub, "train")).toEqual({
        inputs: [["EU", "rejects", "German", "call"], []],
        labels: [["B-ORG", "O", "B-MISC", "O"], []],
        lines: [1, 2],
        labelNames: CONLL,
      });
    }
  });

  it("BIOES adds E- and S- tags to the labels", async () => {
    const folder = folderOf({ "eng.train": "EU S-ORG\nNew B-LOC\nYork E-LOC\n" });
    const { labels, labelNames } = await rowsOf("conll2003", folder, "train");
    expect(labels).toEqual([["S-ORG", "B-LOC", "E-LOC"]]);
    expect(labelNames).toEqual([
      ...CONLL,
      ..."PER ORG LOC MISC".split(" ").flatMap((type) => [`E-${type}`, `S-${type}`]),
    ]);
  });

  it("all tag schemes give the same entities", () => {
    const forms = [
      "I-PER I-PER B-PER O I-LOC I-ORG",
      "B-PER I-PER B-PER O B-LOC B-ORG",
      "B-PER E-PER S-PER O S-LOC S-ORG",
    ].map((tags) => lenientEntities(tags.split(" ")));
    expect(forms[0]?.length).toBe(4);
    expect(forms[1]).toEqual(forms[0]);
    expect(forms[2]).toEqual(forms[0]);
  });

  it("errors name the line of other contents", async () => {
    const pos = folderOf({ "eng.train": "EU I-ORG\n\na O\nrejects VBZ\n" });
    expect(await faultOf(rowsOf("conll2003", pos, "train"))).toContain(
      "eng.train line 4: a tag of CoNLL-2003 is O or B-, I-, E-, S- before one of PER, ORG, LOC, MISC, but the last column holds VBZ.",
    );
    const bare = folderOf({ "eng.train": "EU\n" });
    expect(await faultOf(rowsOf("conll2003", bare, "train"))).toContain(
      "line 1: the line has only a word, but CoNLL-2003 has a tag",
    );
    const torn = folderOf({ "eng.train": "EU NNP I-NP I-ORG\nrejects O\n" });
    expect(await faultOf(rowsOf("conll2003", torn, "train"))).toContain(
      "line 2: 2 columns, but the lines before have 4",
    );
    const mixed = folderOf({ "eng.testb": IOB1, "train.txt": "a O\n" });
    expect((await rowsOf("conll2003", mixed, "train")).inputs).toEqual([["a"]]);
    const short = folderOf({ "eng.train": IOB1 });
    expect(await faultOf(rowsOf("conll2003", short, "validation"))).toContain("has no eng.testa of CoNLL-2003");
    expect(await faultOf(rowsOf("conll2003", folderOf({ x: "" }), "train"))).toContain(
      "has no files of CoNLL-2003 (eng.train, eng.testa, eng.testb; or train.txt, valid.txt, test.txt): --data must be the folder",
    );
  });
});

describe("JNLPBA", () => {
  const tsv = "-DOCSTART-\tO\n\nIL-2\tB-DNA\ngene\tI-DNA\n\n";
  const iob = "###MEDLINE:95369245\n\nIL-2\tB-DNA\ngene\tI-DNA\n\n###MEDLINE:95333264\n\nand\tO\n\n";

  it("JNLPBA has validation rows in one layout and none in the shared task's", async () => {
    const both = { "Genia4ERtask1.iob2": iob, "Genia4EReval1.iob2": iob };
    const folder = folderOf({ "train.tsv": tsv, "devel.tsv": tsv, "test.tsv": tsv, ...both });
    expect(await splitsOf("jnlpba", folder)).toEqual(["train", "validation", "test"]);
    expect((await rowsOf("jnlpba", folder, "train")).inputs).toEqual([["IL-2", "gene"]]);
    expect(await splitsOf("jnlpba", folderOf(both))).toEqual(["train", "test"]);
  });

  it.each(["1", "2"])("lines before abstracts are skipped in files of task %s", async (task) => {
    const folder = folderOf({ [`Genia4ERtask${task}.iob2`]: iob, [`Genia4EReval${task}.iob2`]: iob });
    for (const split of ["train", "test"] as const)
      expect(await rowsOf("jnlpba", folder, split)).toMatchObject({
        inputs: [["IL-2", "gene"], ["and"]],
        labels: [["B-DNA", "I-DNA"], ["O"]],
        lines: [3, 8],
      });
    const { labelNames } = await rowsOf("jnlpba", folder, "test");
    expect([labelNames?.[0], labelNames?.[1], labelNames?.[6], labelNames?.length]).toEqual([
      "O",
      "B-DNA",
      "I-cell_line",
      11,
    ]);
  });
});
