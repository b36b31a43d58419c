// Rows that `bidora init` refuses, and files beside the training rows.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { parse } from "yaml";
import { fresh, write } from "../support.js";
import { csv, init, initFor, jsonl, refused, sentence, TWO } from "./initRows.js";

describe("files that it refuses, with one sentence", () => {
  test.each<[what: string, name: string, content: string, sentence: string]>([
    ["an empty file", "a.csv", "", "FILE is empty"],
    ["a header alone", "a.csv", "text,label\n", "FILE is empty"],
    [
      "one row",
      "a.csv",
      "text,label\na boat on the sea,good\n",
      "All training rows have the label good: classification needs at least two.",
    ],
    ["one label", "a.csv", csv("text,label", (i) => `${sentence(i)},good`), "All training rows have the label good"],
    [
      "no texts in some rows",
      "a.jsonl",
      jsonl((i) => ({ text: i ? sentence(i) : null, label: i % 2 })),
      "FILE line 1: the column text must hold a string",
    ],
    [
      "switches as labels",
      "a.jsonl",
      jsonl((i) => ({ text: sentence(i), label: i % 2 === 0 })),
      "it holds true and false, but a label is a name or a whole number",
    ],
    [
      "rows without a header",
      "a.tsv",
      csv("ham\tthe boat", (i) => `${i % 2 ? "ham" : "spam"}\t${sentence(i)}`),
      'its first line looks like a row, with "ham"',
    ],
    [
      "numbers as a header",
      "a.csv",
      csv("1,the boat", (i) => `${i % 2},${sentence(i)}`),
      'its first line looks like a row, with "1"',
    ],
    [
      "a header twice",
      "a.csv",
      csv("text,label", (i) => (i === 30 ? "text,label" : TWO(i))),
      "FILE line 32: the line repeats the names of the columns",
    ],
    [
      "a pair without a label",
      "a.csv",
      csv("sentence1,sentence2", (i) => `${sentence(i)},${sentence(i + 1)}`),
      "no column has a usual name for the label",
    ],
    ["numbers alone", "a.csv", csv("a,b", (i) => `${i},${i + 1}`), "no column looks like a text; its columns are a, b"],
    [
      "bars",
      "a.csv",
      csv("text|label", (i) => `${sentence(i)}|${i % 2}`),
      'separated by "|", but a .csv file has commas, semicolons or tabs: save it with commas',
    ],
    [
      "semicolons in a .tsv",
      "a.tsv",
      csv("text;label", (i) => `${sentence(i)};${i % 2}`),
      'separated by ";", but a .tsv file has tabs: give it a name that ends in .csv',
    ],
    [
      "lists as text",
      "a.csv",
      csv("tokens,label", (i) => `['a' 'b'],${i % 2}`),
      "tokens holds lists as text, such as ['a' 'b']",
    ],
    [
      "other conversations",
      "a.jsonl",
      jsonl(() => ({ conversations: [{ from: "human", value: "a" }] })),
      "expected in a column messages",
    ],
    [
      "a prompt in two columns",
      "a.jsonl",
      jsonl((i) => ({ instruction: sentence(i), input: "b", output: sentence(i + 1) })),
      "a row's prompt is in instruction and input",
    ],
    ["a list of objects", "a.json", JSON.stringify([{ text: "a" }]), "expected one JSON object per line"],
    ["plain text", "a.txt", "The boat left.\nIt rained.\n", "to train a language model on plain text"],
    [
      "a table in a .txt",
      "a.txt",
      csv("text\tlabel", (i) => `${sentence(i)}\t${i % 2}`),
      "give it a name that ends in .tsv",
    ],
    ["another format", "a.xlsx", "PK", "expected a file whose name ends in one of .jsonl"],
  ])("%s", async (_, name, content, expected) => {
    expect(await refused(name, content)).toContain(expected);
  });

  it("preferences for a language model, which would learn the bad answers too", async () => {
    const rated = jsonl((i) => ({ prompt: sentence(i), completion: "b", label: i % 2 === 0 }));
    const pairs = jsonl((i) => ({ prompt: sentence(i), chosen: "a", rejected: "b" }));
    for (const rows of [rated, pairs])
      expect(await init("a.jsonl", rows, "--task", "causal-lm")).toMatchObject({
        status: 2,
        stderr: expect.stringContaining("are preferences, which --task causal-lm does not learn from"),
      });
  });

  it("a missing file, a folder without rows, a file named twice", async () => {
    const missing = await initFor("no/such.csv");
    expect([missing.status, missing.stderr]).toEqual([1, "bidora: no/such.csv does not exist: check the path.\n"]);
    const folder = dirname(write("notes.csv", "a"));
    expect((await initFor(folder)).stderr).toContain("is a folder with no file of rows called train");
    const twice = await init("a.csv", csv("text,label", TWO), "--train", "b.csv");
    expect([twice.status, twice.stderr]).toEqual([2, expect.stringContaining("The training rows are named twice")]);
  });

  it("control characters in names are escaped", async () => {
    const row = { "te\u001b[31mxt": sentence(1), "la\nbel": "a" };
    const { stderr, text } = await init(
      "a.jsonl",
      jsonl((i) => ({ ...row, "la\nbel": i % 2 })),
    );
    expect(stderr).toContain("te\\x1b[31mxt is taken for the text.");
    expect(stderr + text).not.toContain("\u001b");
    expect(parse(text)).toMatchObject({ textColumns: [`te\u001b[31mxt`], labelColumn: ["la\nbel"] });
  });
});

describe("rows to evaluate on", () => {
  /** A folder with these files; the run file of the first. */
  async function among(files: Readonly<Record<string, string>>, ...flags: string[]) {
    const folder = fresh("rows");
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const [first] = Object.keys(files);
    const { settings, stderr } = await initFor(join(folder, first!), ...flags);
    const name = (path: unknown) => (typeof path === "string" ? path.replace(`${folder}/`, "") : path);
    return {
      validation: name(settings.validation),
      test: name(settings.test),
      holdout: settings.holdoutFraction,
      stderr,
    };
  }
  const train = csv("text,label", TWO);
  const others = csv("text,label", (i) => TWO(i + 1000), 20);

  test.each([
    ["train.csv", "validation.csv"],
    ["train.csv", "dev.csv"],
    ["my-train.csv", "my-valid.csv"],
    ["training.csv", "val.csv"],
    ["trainset.csv", "devset.csv"],
    ["spam_train.v2.csv", "spam_dev.v2.csv"],
    ["data.csv", "data_validation.csv"],
  ])("next to %s: %s", async (name, validation) => {
    const test = name.replace(/train(ing)?/, "test");
    const found = await among({ [name]: train, [validation]: others, ...(test !== name && { [test]: others }) });
    expect(found).toMatchObject({ validation, test: test === name ? undefined : test, holdout: undefined });
  });

  it("the user's own", async () => {
    const found = await among({ "train.csv": train, "dev.csv": others }, "--validation", "mine.csv");
    expect(found.validation).toBe("mine.csv");
    expect(found.stderr).not.toContain("dev.csv");
  });

  test.each([
    ["without labels", "text\na boat\n", "has no column label"],
    [
      "with other labels",
      "text,label\na boat on the sea,strange\n",
      "the label strange is not one of the known labels",
    ],
    ["with other columns", "question,answer\na,b\n", "has no column text"],
    ["that is damaged", 'text,label\n"a,b\n', "never closed"],
  ])("not a file %s", async (_, content, why) => {
    const { validation, holdout, stderr } = await among({ "train.csv": train, "dev.csv": content });
    expect([validation, holdout]).toEqual([undefined, 0.1]);
    expect(stderr).toMatch(/dev\.csv is left out as validation rows: /);
    expect(stderr).toContain(why);
  });

  it("says if they are among the training rows", async () => {
    const { validation, stderr } = await among({ "train.csv": train, "dev.csv": csv("text,label", TWO, 30) });
    expect([validation, stderr]).toEqual(["dev.csv", expect.stringMatching(/30 of its 30 rows are training rows too/)]);
  });

  it("none are held out of few rows or sentences", async () => {
    const words = await among({ "train.conll": "The\tO\n\nIt\tO\n\nWe\tB\n" });
    expect([words.holdout, (await among({ "train.conll": "The\tO\n\n".repeat(60) })).holdout]).toEqual([
      undefined,
      0.1,
    ]);
    const { holdout, stderr } = await among({ "train.csv": csv("text,label", TWO, 20) });
    expect([holdout, stderr]).toEqual([undefined, expect.stringContaining("the run will have no score")]);
  });

  it("a folder's file called train", async () => {
    const folder = dirname(write("train.csv", train));
    expect((await initFor(folder)).settings.train).toBe(join(folder, "train.csv"));
  });
});
