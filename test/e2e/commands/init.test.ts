import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { readRunFile } from "../../../src/tasks/config/index.js";
import { bidora, fresh, write } from "../support.js";
import { csv, init, initFor, jsonl, MODEL, sentence, TWO } from "./initRows.js";

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
      method: "lora",
    });
    const output = fresh("run");
    const short = ["--max-steps", "2", "--batch-size", "4"];
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

  it("leaves rows without a label out, and says so", async () => {
    const { stderr, settings, runFile } = await init(
      "train.csv",
      csv("text,label", (i) => (i % 3 ? TWO(i) : `${sentence(i)},`)),
      ...["--model", MODEL],
    );
    expect(stderr).toContain("20 of the rows have no label: dropUnlabeled leaves them out.");
    expect(settings).toMatchObject({ dropUnlabeled: true, labelColumn: ["label"] });
    expect((await bidora("preview", runFile)).status).toBe(0);
  });

  it("finds semicolons, as spreadsheets write them where the comma is the decimal sign, and says so once", async () => {
    const train = write(
      "train.csv",
      csv("text;label", (i) => `${sentence(i)}, again;${i % 2}`),
    );
    const runFile = join(fresh("new"), "run.yaml");
    const { stderr, status } = await bidora("init", train, "--run-file", runFile, "--model", MODEL);
    expect(status).toBe(0);
    expect(stderr.split(`${train}: its columns are separated by semicolons.`)).toHaveLength(2);
    expect(readRunFile(runFile)).toMatchObject({ textColumns: ["text"], labelColumn: ["label"] });
  });

  it("says that numbers with a decimal comma are taken for classes", async () => {
    const { stderr } = await init(
      "train.csv",
      csv("text;score", (i) => `${sentence(i)};${i % 2},5`),
      ...["--model", MODEL],
    );
    expect(stderr).toContain(
      "score holds numbers with a comma, here as classes: for regression write them with a point.",
    );
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
    expect(late.stderr).toContain(
      "1 of 6001 rows has no label in the column label (line 6002): write the labels, or leave these rows out with --drop-unlabeled.",
    );
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

  it("quotes the file's name in commands", async () => {
    const runFile = join(fresh("my runs"), "a run.yaml");
    const train = write("train.csv", csv("text,label", TWO));
    const { stdout } = await bidora("init", train, "--run-file", runFile, "--no-estimate");
    expect(stdout).toContain(`bidora finetune '${runFile}'\n`);
    expect(readRunFile(runFile).train).toBe(train);
  });

  it.each(["a\nb#.csv", "a\u009b: b.csv"])("writes the path %j on one line", async (name) => {
    const { runFile, train, text } = await init(name, csv("text,label", TWO));
    expect(readRunFile(runFile).train).toBe(train);
    expect(text).not.toContain("\u009b");
  });

  it("asks for the rows if none are named", async () => {
    const { status, stderr } = await bidora("init");
    expect([status, stderr]).toEqual([2, expect.stringContaining("The file with the training rows is missing")]);
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
        "a\nb",
        "\u0085",
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
