import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { faultOf, folderOf, rowsOf, splitsOf } from "./folders.js";

describe("proteins in one file per split", () => {
  it("class numbers become names, in any letter case and line ends", async () => {
    const folder = folderOf({
      "BBP_train.csv": "sequence,label\r\nACSK,1\r\n cag ,0\r\n",
      "BBP_test.csv": "sequence,label\nWW,1.0\n",
      "BBP_train_esm2.csv": "a,b\n1,2\n",
      "MIC_train.csv": "sequence,label\nAA,1\n",
    });
    expect(await splitsOf("protein/bbp", folder)).toEqual(["train", "test"]);
    expect(await rowsOf("protein/bbp", folder, "train")).toEqual({
      inputs: [["ACSK"], ["CAG"]],
      labels: ["positive", "negative"],
      lines: [2, 3],
      labelNames: ["negative", "positive"],
    });
    expect(await rowsOf("protein/bbp", folder, "test")).toMatchObject({ inputs: [["WW"]], labels: ["positive"] });
  });

  it("regression targets are numbers", async () => {
    const folder = folderOf({
      "train.csv": "seq,value\nGL,-0.25\n",
      "mic_val.csv": "Sequence,MIC\nA,2\n",
      "test.csv": "x\n",
    });
    expect(await splitsOf("protein/mic", folder)).toEqual(["train", "validation", "test"]);
    expect((await rowsOf("protein/mic", folder, "train")).labels).toEqual([-0.25]);
    expect((await rowsOf("protein/mic", folder, "validation")).labels).toEqual([2]);
  });

  it("other contents are refused", async () => {
    const folder = folderOf({
      "train.csv": "seq,value\nGL,high\n",
      "val.csv": "id,value\n1,2\n",
      "test.csv": "seq\nA\n",
    });
    const fault = (split: "train" | "validation" | "test") => faultOf(rowsOf("protein/mic", folder, split));
    expect(await fault("train")).toContain('train.csv line 2: the column value must hold a number, but holds "high".');
    expect(await fault("validation")).toContain(
      "val.csv must have one of the columns sequence, seq, real_seq, peptide for the sequences; it has id, value.",
    );
    expect(await fault("test")).toContain(
      "test.csv must have one of the columns value, label, mic, target for the labels",
    );
    const classes = folderOf({ "train.csv": "sequence,label\nGL,2\n", "test.csv": "sequence,label\nG-L,1\n" });
    expect(await faultOf(rowsOf("protein/bbp", classes, "train"))).toContain(
      'line 2: the column label must hold 0 or 1, but holds "2".',
    );
    expect(await faultOf(rowsOf("protein/bbp", classes, "test"))).toContain(
      'line 2: the column sequence must hold letters of amino acids, but holds "G-L".',
    );
    const twice = folderOf({ "train.csv": "a\n1\n", "bbp_train.csv": "a\n1\n" });
    expect(await faultOf(rowsOf("protein/bbp", twice, "train"))).toMatch(
      /bbp_train.csv and .*train.csv both have train rows/,
    );
    expect(await faultOf(rowsOf("protein/bbp", folderOf({ "test.csv": "a\n1\n" }), "train"))).toContain(
      "has no BBP_train.csv of BBP: --data must be the folder",
    );
    expect(await faultOf(rowsOf("protein/bbp", folderOf({ "x.csv": "" }), "train"))).toContain(
      "has no BBP_train.csv of BBP, nor a BBP.csv or BBP_0.csv with a column set",
    );
  });
});

describe("proteins in one file", () => {
  const FOLD = "sequence,target,set,validation\nAA,0,train,False\nAC,1,train,True\nAD,0,test,False\nAE,1.0,train,\n";

  it("rows are split by the column set", async () => {
    const folder = folderOf({ "s2c2_3.csv": FOLD });
    expect(await splitsOf("protein/hotprotein-s2c2", folder)).toEqual(["train", "validation", "test"]);
    expect(await rowsOf("protein/hotprotein-s2c2", folder, "train")).toEqual({
      inputs: [["AA"], ["AE"]],
      labels: ["0", "1"],
      lines: [2, 5],
      labelNames: ["0", "1"],
    });
    expect((await rowsOf("protein/hotprotein-s2c2", folder, "validation")).inputs).toEqual([["AC"]]);
    expect((await rowsOf("protein/hotprotein-s2c2", folder, "test")).inputs).toEqual([["AD"]]);
  });

  it("the validation column can have any boolean word; other words are refused", async () => {
    const marked = (word: string) => {
      const csv = `sequence,target,set,validation\nAA,0,train,0.0\nAC,1,train,${word}\n`;
      return rowsOf("protein/hotprotein-s2c2", folderOf({ "s2c2_0.csv": csv }), "validation");
    };
    for (const word of ["TRUE", "1", "1.0"]) expect((await marked(word)).inputs).toEqual([["AC"]]);
    expect(await faultOf(marked("yes"))).toContain(
      'line 3: the column validation must hold True or False, but holds "yes"',
    );
  });

  it("the splits are those with rows", async () => {
    const folder = folderOf({ "S2C2.csv": "sequence,label,split\nAA,0,Train\nAC,1,train\nAD,0,test\n" });
    expect(await splitsOf("protein/hotprotein-s2c2", folder)).toEqual(["train", "test"]);
    expect(await faultOf(rowsOf("protein/hotprotein-s2c2", folder, "validation"))).toBe(
      `${join(folder, "S2C2.csv")} has no validation rows of HotProtein's S2C2: at least one is expected.`,
    );
  });

  it("a fault in a row of another split is reported too", async () => {
    const fault = (row: string) =>
      faultOf(rowsOf("protein/hotprotein-s2c2", folderOf({ "s2c2_0.csv": `${FOLD}${row}\n` }), "train"));
    expect(await fault("AF,2,test,")).toContain('line 6: the column target must hold 0 or 1, but holds "2".');
    expect(await fault("A-F,1,test,")).toContain("line 6: the column sequence must hold letters of amino acids");
  });

  it("a missing set column, an unknown split and several folds are refused", async () => {
    const fault = (files: Record<string, string>) =>
      faultOf(rowsOf("protein/hotprotein-s2c2", folderOf(files), "train"));
    expect(await fault({ "s2c2_0.csv": "sequence,label\nA,1\n" })).toContain(
      "must have one of the columns set, split for the split of each row; it has sequence, label.",
    );
    expect(await fault({ "s2c2_0.csv": "sequence,label,set\nA,1,fold1\n" })).toContain(
      'line 2: the column set must hold train, validation or test, but holds "fold1".',
    );
    expect(await fault({ "s2c2_0.csv": FOLD, "s2c2_1.csv": FOLD })).toContain(
      "has several files of HotProtein's S2C2 (s2c2_0.csv, s2c2_1.csv): leave one of these folds there.",
    );
  });
});
