import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parse } from "yaml";
import { readRunFile } from "../../../src/config/index.js";
import { BERT, bidora, fresh, GOLDEN, write } from "../support.js";

const MODEL = join(BERT, "single");
const csv = (header: string, row: (i: number) => string, rows = 60) =>
  [header, ...Array.from({ length: rows }, (_, i) => row(i))].join("\n").concat("\n");
const jsonl = (row: (i: number) => unknown, rows = 60) =>
  Array.from({ length: rows }, (_, i) => `${JSON.stringify(row(i))}\n`).join("");
const sentence = (i: number): string => `the boat left the harbour at ${i} in the rain`;
const TWO = (i: number): string => `${sentence(i)},${i % 2 ? "good" : "bad"}`;

/** Writes a run file for these rows, without an estimate. */
async function init(name: string, content: string | Uint8Array, ...flags: string[]) {
  return initFor(write(name, content), ...flags);
}

async function initFor(train: string, ...flags: string[]) {
  const runFile = join(fresh("new"), "run.yaml");
  const done = await bidora("init", train, "--run-file", runFile, "--no-estimate", ...flags);
  const isThere = existsSync(runFile);
  expect(isThere).toBe(done.status === 0);
  const text = isThere ? readFileSync(runFile, "utf8") : "";
  return { ...done, train, runFile, text, settings: (parse(text) ?? {}) as Record<string, unknown> };
}

/** The settings that are guessed. */
async function guessed(name: string, content: string | Uint8Array, ...flags: string[]) {
  const { settings, stderr, status } = await init(name, content, ...flags);
  expect(status, stderr).toBe(0);
  const { task, textColumns, labelColumn } = settings;
  return { task, ...(textColumns ? { textColumns } : {}), ...(labelColumn ? { labelColumn } : {}) };
}

/** The one sentence that refuses the rows. */
async function refused(name: string, content: string | Uint8Array, ...flags: string[]): Promise<string> {
  const { status, stderr, train } = await init(name, content, ...flags);
  expect(status).not.toBe(0);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  return stderr.replaceAll(train, "FILE").trimEnd();
}

describe("init", () => {
  it("writes a file that finetune, config and preview take as it is", async () => {
    const { runFile, settings, train } = await init("train.csv", csv("text,label", TWO), "--model", MODEL);
    expect(settings).toEqual({
      model: MODEL,
      task: "sequence-classification",
      train,
      holdoutFraction: 0.1,
      textColumns: ["text"],
      labelColumn: ["label"],
      method: "bidora",
    });
    const output = fresh("run");
    const short = ["--max-steps", "2", "--retrain-steps", "2", "--batch-size", "4"];
    expect((await bidora("finetune", runFile, ...short, "--output", output)).status).toBe(0);
    for (const command of ["config", "preview"]) expect((await bidora(command, runFile)).status).toBe(0);
  });

  it("says how it decided, and writes that and the options' help texts as comments", async () => {
    const { text, stderr, stdout, runFile } = await init("train.csv", csv("text,label", TWO));
    const reason = "label has 2 distinct values in 60 rows (bad, good): sequence-classification.";
    expect(stderr).toContain(reason);
    expect(text).toContain(`# ${reason}\n`);
    expect(text).toMatch(/^# yaml-language-server: \$schema=\S+schema\/run\.schema\.json\n/);
    expect(text).toContain("\n# epochs: 3  # passes over the training rows\n");
    expect(stdout).toContain(`npx --no -- bidora finetune ${runFile}`);
  });

  it("estimates a run whose model is on this machine", async () => {
    const runFile = join(fresh("new"), "run.yaml");
    const train = write("train.csv", csv("text,label", TWO));
    const flags = ["--run-file", runFile, "--model", MODEL, "--json"];
    const { stdout, status } = await bidora("init", train, ...flags);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).estimate.parameters.total).toBeGreaterThan(0);
    expect(readFileSync(runFile, "utf8")).toMatch(/# Estimated on this machine: [\d,]+ of [\d,]+ parameters trained/);
  });

  it("names the command that estimates if the model is elsewhere, and downloads nothing", async () => {
    const runFile = join(fresh("new"), "run.yaml");
    const train = write("train.csv", csv("text,label", TWO));
    const { stderr, status } = await bidora("init", train, "--run-file", runFile, "--model", "nobody/nothing");
    expect(status).toBe(0);
    expect(stderr).toContain(`nobody/nothing is not on this machine: \`npx --no -- bidora estimate ${runFile}\``);
  });

  it("writes nothing if the run would refuse its rows or its model", async () => {
    const train = write("train.csv", csv("text,label", TWO, 6000).concat("a text without a label,\n"));
    const runFile = join(fresh("new"), "run.yaml");
    const late = await bidora("init", train, "--run-file", runFile, "--model", MODEL);
    expect(late.stderr).toContain("line 6002: the column label must hold a label's name or whole number");
    const missing = await bidora("init", train, "--run-file", runFile, "--model", "./nothing-here");
    expect(missing.stderr).toBe(
      "bidora: There is no folder ./nothing-here.\n".replace(/^/, missing.stderr.split("bidora:")[0]!),
    );
    expect([late.status, missing.status, existsSync(runFile)]).toEqual([1, 1, false]);
  });

  it("replaces no file without --overwrite, and never the rows", async () => {
    const train = write("train.csv", csv("text,label", TWO));
    const other = write("run.yaml", "model: mine\n");
    const first = await bidora("init", train, "--run-file", other, "--no-estimate");
    expect(first.stderr).toBe(`bidora: ${other} exists: give another --run-file, or --overwrite to replace it.\n`);
    const rows = await bidora("init", train, "--run-file", train, "--no-estimate", "--overwrite");
    expect(rows.stderr).toContain("is an input of this command");
    const again = await bidora("init", train, "--run-file", other, "--no-estimate", "--overwrite");
    expect([first.status, rows.status, again.status]).toEqual([1, 1, 0]);
    expect(readRunFile(other).train).toBe(train);
  });

  it("keeps the user's settings", async () => {
    const flags = ["--method", "lora", "--rank", "4", "--epochs", "2", "--seed", "7", "--output", "runs/x"];
    const { settings } = await init("train.csv", csv("text,label", TWO), ...flags);
    expect(settings).toMatchObject({ method: "lora", rank: 4, epochs: 2, seed: 7, output: "runs/x" });
    const { stderr, status } = await init("train.csv", csv("text,label", TWO), "--method", "lora", "--xi", "1");
    expect([status, stderr]).toEqual([2, expect.stringContaining("No effect in this run: --xi")]);
  });

  it("writes a named data set's run without guessing", async () => {
    const runFile = join(fresh("new"), "run.yaml");
    const flags = ["--task", "glue/mrpc", "--data", "glue/MRPC", "--run-file", runFile, "--no-estimate"];
    expect((await bidora("init", ...flags)).status).toBe(0);
    expect(readRunFile(runFile)).toMatchObject({ task: "glue/mrpc", data: "glue/MRPC" });
  });

  it("asks for the rows if none are named", async () => {
    const { status, stderr } = await bidora("init");
    expect([status, stderr]).toEqual([2, expect.stringContaining("The file with the training rows is missing")]);
  });
});

describe("tasks by their rows", () => {
  const classes = { task: "sequence-classification", textColumns: ["text"], labelColumn: ["label"] };

  test.each<[what: string, name: string, content: string, expected: object]>([
    ["words as labels", "a.csv", csv("text,label", TWO), classes],
    ["a byte-order mark and CRLF", "a.csv", `\uFEFF${csv("text,label", TWO).replaceAll("\n", "\r\n")}`, classes],
    ["yes and no", "a.csv", csv("text,label", (i) => `${sentence(i)},${i % 2 ? "yes" : "no"}`), classes],
    ["0 and 1", "a.csv", csv("text,label", (i) => `${sentence(i)},${i % 2}`), classes],
    ["codes with zeros in front", "a.csv", csv("text,label", (i) => `${sentence(i)},00${i % 30}.5`), classes],
    ["few whole numbers", "a.jsonl", jsonl((i) => ({ text: sentence(i), label: i % 5 })), classes],
    [
      "many whole numbers",
      "a.jsonl",
      jsonl((i) => ({ text: sentence(i), label: i })),
      { ...classes, task: "regression" },
    ],
    ["fractions", "a.csv", csv("text,label", (i) => `${sentence(i)},${i / 10}`), { ...classes, task: "regression" }],
    [
      "lists",
      "a.jsonl",
      jsonl((i) => ({ text: sentence(i), label: i % 2 ? ["a", "b"] : [] })),
      { ...classes, task: "multi-label-classification" },
    ],
    [
      "a pair",
      "a.tsv",
      csv("premise\thypothesis\tlabel", (i) => `${sentence(i)}\t${sentence(i + 1)}\t${i % 3}`),
      { ...classes, textColumns: ["premise", "hypothesis"] },
    ],
    [
      "other names",
      "a.csv",
      csv("id,Review,Sentiment", (i) => `${i},${TWO(i)}`),
      { ...classes, textColumns: ["Review"], labelColumn: ["Sentiment"] },
    ],
    ["an index without a name", "a.csv", csv(",text,label", (i) => `${i},${TWO(i)}`), classes],
    [
      "columns of 0 and 1",
      "a.csv",
      csv("text,rude,threat", (i) => `${sentence(i)},${i % 2},${i % 3 ? 0 : 1}`),
      { task: "multi-label-classification", textColumns: ["text"], labelColumn: ["rude", "threat"] },
    ],
    [
      "conversations",
      "a.jsonl",
      jsonl((i) => ({ messages: [{ role: "user", content: sentence(i) }] })),
      { task: "causal-lm" },
    ],
    ["prompts", "a.jsonl", jsonl((i) => ({ prompt: sentence(i), completion: "yes" })), { task: "causal-lm" }],
    [
      "questions and answers",
      "a.csv",
      csv("question,answer", (i) => `${sentence(i)},${sentence(i + 1)}`),
      { task: "causal-lm", textColumns: ["question", "answer"] },
    ],
    ["texts alone", "a.jsonl", jsonl((i) => ({ text: sentence(i) })), { task: "causal-lm" }],
    [
      "texts under another name",
      "a.csv",
      csv("id,story", (i) => `${i},${sentence(i)}`),
      { task: "causal-lm", textColumns: ["story"] },
    ],
    [
      "words with tags",
      "a.jsonl",
      jsonl((i) => ({ tokens: ["a", String(i)], ner_tags: ["O", "B"], pos_tags: ["X", "Y"] })),
      { task: "token-classification", textColumns: ["tokens"], labelColumn: ["ner_tags"] },
    ],
    ["CoNLL columns", "a.conll", "The\tO\nboat\tB\n\nIt\tO\nleft\tO\n", { task: "token-classification" }],
    ["CoNLL columns in a .tsv", "a.tsv", "The\tO\nboat\tB\n\nIt\tO\nleft\tO\n", { task: "token-classification" }],
    [
      "four CoNLL columns",
      "a.txt",
      "The D I O\nboat N I B\n\nIt P I O\n",
      { task: "token-classification", labelColumn: ["4"] },
    ],
    [
      "answers in contexts",
      "a.jsonl",
      jsonl((i) => ({ question: "where", context: `at ${i}`, answers: { text: ["at"], answer_start: [0] } })),
      { task: "question-answering" },
    ],
  ])("%s", async (_, name, content, expected) => {
    expect(await guessed(name, content)).toEqual(expected);
  });

  it("reads Parquet", async () => {
    const hub = (file: string) => join(GOLDEN, "data", "hub", file);
    const { settings, stderr } = await initFor(hub("conll2003/train-00000-of-00001.parquet"));
    expect(settings).toMatchObject({
      task: "token-classification",
      textColumns: ["tokens"],
      labelColumn: ["ner_tags"],
      validation: hub("conll2003/validation-00000-of-00001.parquet"),
      test: hub("conll2003/test-00000-of-00001.parquet"),
    });
    expect(stderr).toContain("The labels in ner_tags are numbers: only words are scored, not entities.");
    const part = await initFor(hub("glue/mrpc/train-00000-of-00002.parquet"));
    expect(part.stderr).toContain("is one of 2 parts, and the run trains on this one alone.");
  });

  it("takes the user's task and columns over its own guess", async () => {
    const rows = csv("text,label,stars", (i) => `${TWO(i)},${i % 5}`);
    const flags = ["--task", "regression", "--label-column", "stars"];
    expect(await guessed("a.csv", rows, ...flags)).toEqual({
      task: "regression",
      textColumns: ["text"],
      labelColumn: ["stars"],
    });
  });

  it("names what else the label could be", async () => {
    const rows = csv("text,label,score", (i) => `${TWO(i)},${i % 5}`);
    expect((await init("a.csv", rows)).stderr).toContain("label is taken for the label, though score could be it too");
    const stars = csv("text,label", (i) => `${sentence(i)},${i % 5}`);
    expect((await init("a.csv", stars)).stderr).toContain(
      "sequence-classification; --task regression if it is a score.",
    );
  });

  it("points at values that may not be classes", async () => {
    const values = ["spam", "Spam ", "ham", "NaN", "ham", "spam"];
    const rows = csv("text,label", (i) => `${sentence(i)},${values[i % 6]}`).concat(`${sentence(99)},eggs\n`);
    const { stderr } = await init("a.csv", rows);
    expect(stderr).toContain("label has the value NaN in 10 rows, which is a class like the others");
    expect(stderr).toContain('The labels "spam" and "Spam " differ only in case or spaces');
    expect(stderr).toContain("1 of the 5 labels in label occurs in one row only (eggs)");
  });

  it("guesses from the first rows of a long file, and says so", async () => {
    const { stderr, status } = await init("a.csv", csv("text,label", TWO, 5001));
    expect([status, stderr]).toEqual([0, expect.stringContaining("Guessed from the first 5000 rows.")]);
    expect((await init("a.csv", csv("text,label", TWO, 5000))).stderr).not.toContain("first 5000");
  });

  test.each<[language: string, text: string, model: string]>([
    ["English", "the boat left the harbour", "sentence-transformers/all-MiniLM-L6-v2"],
    ["Russian", "лодка вышла из гавани", "FacebookAI/xlm-roberta-base"],
    ["proteins", "MKTAYIAKQRQISFVKSHFSRQ", "facebook/esm2_t12_35M_UR50D"],
  ])("chooses a model for texts: %s", async (_, text, model) => {
    expect(
      (
        await init(
          "a.csv",
          csv("text,label", (i) => `${text},${i % 2}`),
        )
      ).settings.model,
    ).toBe(model);
  });
});

describe("files that it refuses, with one sentence", () => {
  const PAIR = { chosen: sentence(1), rejected: sentence(2) };
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
      "no label in some rows",
      "a.csv",
      csv("text,label", TWO).concat("a boat,\n"),
      "FILE line 62: the column label must hold a label's name",
    ],
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
      "preferences",
      "a.jsonl",
      jsonl((i) => ({ prompt: sentence(i), ...PAIR })),
      "preferences, which no method here trains on",
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

  it("a missing file, a folder without rows, a file named twice", async () => {
    const missing = await initFor("no/such.csv");
    expect([missing.status, missing.stderr]).toEqual([1, "bidora: no/such.csv does not exist: check the path.\n"]);
    const folder = dirname(write("notes.csv", "a"));
    expect((await initFor(folder)).stderr).toContain("is a folder with no file of rows called train");
    const twice = await init("a.csv", csv("text,label", TWO), "--train", "b.csv");
    expect([twice.status, twice.stderr]).toEqual([2, expect.stringContaining("The training rows are named twice")]);
  });

  it("control characters in names are escaped", async () => {
    const row = { [`te\u001b[31mxt`]: sentence(1), "la\nbel": "a" };
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
    expect([validation, stderr]).toEqual([
      "dev.csv",
      expect.stringMatching(/30 of the 30 rows of \S+ are training rows too/),
    ]);
  });

  it("none are held out of few rows", async () => {
    const { holdout, stderr } = await among({ "train.csv": csv("text,label", TWO, 20) });
    expect([holdout, stderr]).toEqual([undefined, expect.stringContaining("the run will have no score")]);
  });

  it("a folder's file called train", async () => {
    const folder = dirname(write("train.csv", train));
    expect((await initFor(folder)).settings.train).toBe(join(folder, "train.csv"));
  });
});

test("any names of columns and files are read back as they are", async () => {
  const name = fc
    .oneof(
      fc.constantFrom(
        "a: b",
        "#x",
        "- a",
        "'",
        '"',
        "yes",
        "null",
        "~",
        "007",
        "1e3",
        "a,b",
        "[a]",
        "{",
        "&a",
        "*a",
        "!t",
        "%",
        "@",
        "`",
        " a",
        "a ",
        "a #b",
        "?",
        "|",
        ">",
        "\\",
        "\t",
        "é",
        "😀",
        "\u2028",
      ),
      fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
    )
    .filter((text) => text !== "__proto__");
  await fc.assert(
    fc.asyncProperty(name, name, async (text, label) => {
      fc.pre(text !== label);
      const rows = jsonl((i) => ({ [text]: sentence(i), [label]: i % 2 ? "good" : "bad" }), 20);
      const folder = fresh("a folder: #1");
      mkdirSync(folder);
      const train = join(folder, 'tr\'ain "1".jsonl');
      writeFileSync(train, rows);
      const flags = [`--text-columns=${text}`, `--label-column=${label}`];
      const isFlag = ![text, label].some((one) => one.includes(",") || one.trim() !== one);
      const { status, stderr, runFile } = await initFor(
        train,
        ...(isFlag ? flags : []),
        "--task",
        "sequence-classification",
      );
      expect(status, stderr).toBe(0);
      expect(readRunFile(runFile)).toMatchObject({ train, textColumns: [text], labelColumn: [label] });
    }),
    { numRuns: 60 },
  );
});
