import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BidoraError, UsageError } from "../../../src/base/errors.js";
import { checkTasks } from "../../../src/studies/comparison/plan/checkTasks.js";
import { factsIn } from "../../../src/studies/comparison/plan/estimates.js";
import type { ComparisonSettings } from "../../../src/studies/comparison/spec/compareOptions.js";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { resolveRun } from "../../../src/tasks/config/index.js";
import { BERT, fresh, GOLDEN, jsonl, write } from "../../e2e/support.js";

const someLabel = (i: number): unknown => (i % 2 === 0 ? "alpha" : "beta");
const rowsOf = (count: number, text: string, label = someLabel) =>
  Array.from({ length: count }, (_, i) => ({ sentence1: `${text} ${i}`, sentence2: "the", label: label(i) }));
const rows = (count: number, label = someLabel) => jsonl(...rowsOf(count, "word", label));

const train = rows(20);
const validation = jsonl(...rowsOf(8, "validation"));
const other = jsonl(...rowsOf(6, "test"));
const model = join(BERT, "single");

interface Asked extends ComparisonSettings {
  readonly tasks?: never;
}

function check(
  tasks: readonly object[],
  flags: Asked = {},
  isListed = false,
  more: readonly string[] = [],
  notes: string[] = [],
) {
  const file = write("c.yaml", [`model: ${model}`, ...more, `tasks: ${JSON.stringify(tasks)}`].join("\n"));
  const spec = readSpec({ methods: ["lora"], ...flags }, file);
  return checkTasks(spec, factsIn(fresh()), { onNote: (line) => void notes.push(line), isListed });
}

const good = { name: "good", task: "sequence-classification", train, validation };

describe("the checks before a comparison's first run", () => {
  it("refuse a task without rows to evaluate on, also for --list", async () => {
    const bare = { name: "bare", task: "sequence-classification", train };
    const refused = /^No run was started\. bare: there are neither validation nor test rows, .*: name a file by/;
    await expect(check([good, bare])).rejects.toThrow(refused);
    await expect(check([good, bare])).rejects.toThrow(UsageError);
    await expect(check([good, bare], {}, true)).rejects.toThrow(refused);
    // Rows that are held out say nothing that could be reported.
    await expect(check([{ ...bare, holdoutFraction: 0.2 }])).rejects.toThrow(refused);
    await expect(check([good, { ...bare, test: other }])).resolves.toBeUndefined();
  });

  it("refuse a main metric that the task does not have", async () => {
    await expect(check([{ ...good, mainMetric: "macroF1" }])).resolves.toBeUndefined();
    await expect(check([{ ...good, mainMetric: "bleu" }])).rejects.toThrow(
      /^No run was started\. good: --main-metric takes one of .*accuracy.*; got bleu\.$/,
    );
    await expect(check([good], { mainMetric: "bleu" })).rejects.toThrow(UsageError);
  });

  it("refuse methods or grid points that would be evaluated on other labels or tokens", async () => {
    const text = jsonl(...Array.from({ length: 9 }, (_, i) => ({ prompt: `word ${i}`, completion: "the word" })));
    const lm = { name: "lm", task: "causal-lm", model: join(GOLDEN, "gpt2/lm"), train: text, validation: text };
    const methods = ["lora", "dora"];
    const per = (settings: string) => ["perMethod:", `  dora: {${settings}}`];
    await expect(check([lm], { methods }, false, per("trainOn: all"))).rejects.toThrow(
      "lm: --train-on differs between its runs (not set, all), so its runs would be scored on different tokens of its rows",
    );
    await expect(check([lm], { methods }, false, per("maxLength: 8"))).rejects.toThrow("--max-length differs");
    await expect(check([lm], { grid: ["maxLength=8,16"] })).rejects.toThrow(
      "--max-length differs between its runs (8, 16)",
    );
    await expect(check([lm], { methods, maxLength: 8 }, false, per("rank: 2"))).resolves.toBeUndefined();
    // Classification is judged by the same labels, however much of a text is read.
    await expect(check([good], { grid: ["maxLength=8,16"] })).resolves.toBeUndefined();
    await expect(check([good], { methods }, false, per("labelColumn: sentence2"))).rejects.toThrow(
      "--label-column differs between its runs (not set, sentence2), so its runs would be scored on different labels",
    );
  });

  it("refuse held-out rows without the metric that embeddings are compared by", async () => {
    const pairs = jsonl(...Array.from({ length: 9 }, (_, i) => ({ anchor: `word ${i}`, positive: "the word" })));
    const scored = jsonl(
      ...Array.from({ length: 9 }, (_, i) => ({ sentence1: `word ${i}`, sentence2: "a", score: i })),
    );
    const own = jsonl(...Array.from({ length: 9 }, (_, i) => ({ sentence1: `own ${i}`, sentence2: "a", score: i })));
    const task = { name: "sts", task: "embedding", train: pairs, validation: scored, test: scored };
    const refused = "sts: The validation rows have scores and the held-out training rows have none";
    await expect(check([task], { methods: ["lora", "dora"] })).resolves.toBeUndefined();
    await expect(check([task], { methods: ["lora+es"] })).rejects.toThrow(refused);
    await expect(check([task], { grid: ["learningRate=1e-3,1e-4"] })).rejects.toThrow(refused);
    await expect(check([{ ...task, train: own }], { methods: ["lora+es"] })).resolves.toBeUndefined();
  });

  it("report the problems of all tasks in one message", async () => {
    const labels = rows(4, (i) => (i === 2 ? "delta" : "alpha"));
    const names = rows(9, () => "high");
    const error = await check([
      good,
      { ...good, name: "column", labelColumn: ["kind"] },
      { ...good, name: "gone", validation: "no-such.jsonl", test: "none.jsonl" },
      { ...good, name: "label", validation: labels },
      { ...good, name: "kind", task: "regression", train: names },
      { ...good, name: "form", train: write("rows.pdf", "x") },
      {
        ...good,
        name: "head",
        task: "causal-lm",
        train: jsonl({ text: "the word" }),
        validation: jsonl({ text: "a" }),
      },
      { ...good, name: "few", trainLimit: 21 },
    ]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BidoraError);
    expect(error).not.toBeInstanceOf(UsageError);
    const { message } = error as Error;
    for (const expected of [
      /column: \S+rows\.jsonl has no column kind; its columns are/,
      /gone: There is no no-such\.jsonl, which --validation names\. gone: There is no none\.jsonl, which --test names\./,
      /label: \S+rows\.jsonl line 3: the label delta is not one of the known labels: alpha, beta/,
      /kind: \S+rows\.jsonl line 1: .*high/,
      /form: \S+rows\.pdf: this task expects a file whose name ends in/,
      /head: .*BertForCausalLM is not supported/,
      /few: --train-limit 21 is more than the 20 training rows/,
    ])
      expect(message).toMatch(expected);
    expect(message).not.toContain("good");
  });

  it("report a problem that several tasks share once", async () => {
    const file = "no-such.jsonl";
    await expect(check([good, { ...good, name: "a", test: file }, { ...good, name: "b", test: file }])).rejects.toThrow(
      "No run was started. a, b: There is no no-such.jsonl, which --test names.",
    );
  });

  it("allow missing files for --list, which may be for another machine, and read those that exist", async () => {
    const away = { ...good, name: "away", train: "no-such.jsonl" };
    const wrong = { ...good, name: "wrong", labelColumn: ["kind"] };
    await expect(check([away], {}, true)).resolves.toBeUndefined();
    await expect(check([away, wrong], {}, true)).rejects.toThrow(/started\. wrong: .*no column kind/);
    await expect(check([wrong], { model: "org/on-the-hub" }, true)).resolves.toBeUndefined();
    const folder = { name: "set", task: "jnlpba", data: "no-such-folder" };
    await expect(check([folder], {}, true)).resolves.toBeUndefined();
    // The place where the other machine has it may be there, and empty.
    const empty = fresh("mount");
    mkdirSync(empty);
    await expect(check([{ ...folder, data: empty }], {}, true)).resolves.toBeUndefined();
    await expect(check([{ ...folder, data: empty }])).rejects.toThrow(/set: \S+ has no files of JNLPBA/);
  });

  it("accept a task inferred from the model, and a data set with the user's own test rows", async () => {
    const { task: _task, ...kindless } = good;
    await expect(check([kindless])).resolves.toBeUndefined();
    await expect(check([{ ...kindless, name: "bare", validation: undefined }])).rejects.toThrow(
      "bare: there are neither",
    );
    const early = { earlyStopping: 2, evalEvery: 5 };
    const mrpc = { name: "mrpc", task: "glue/mrpc", train, validation, ...early };
    await expect(check([mrpc])).rejects.toThrow("mrpc: --early-stopping would stop lora");
    await expect(check([{ ...mrpc, test: other }])).resolves.toBeUndefined();
  });

  it("include settings of single methods, and count rows once", async () => {
    const spec = ["perMethod: {dora: {labelColumn: [kind]}}"];
    await expect(check([good], { methods: ["lora", "dora"] }, false, spec)).rejects.toThrow("has no column kind");
    await expect(check([good], { methods: ["lora"] }, false, spec)).resolves.toBeUndefined();
    const facts = factsIn(fresh());
    const config = resolveRun({ model, task: "sequence-classification", train });
    facts.learn(config, 1000);
    // The file has 20: it is not read again.
    expect(await facts.rowsOf(config)).toBe(1000);
    expect(await facts.rowsOf({ ...config, holdoutFraction: 0.2 })).toBe(800);
    expect(await facts.rowsOf({ ...config, trainLimit: 50 })).toBe(50);
  });

  it("treat labels that are all -1, as in GLUE's test rows, as missing", async () => {
    const scores = { name: "scores", task: "regression", train: rows(9, (i) => i), validation: rows(4, (i) => i) };
    await expect(check([{ ...scores, test: rows(5, () => -1) }])).rejects.toThrow(
      /scores: Every label in \S+rows\.jsonl is -1/,
    );
    await expect(check([{ ...scores, test: rows(5, (i) => i - 1) }])).resolves.toBeUndefined();
    await expect(check([{ ...good, test: rows(5, () => -1) }])).rejects.toThrow(
      "the label -1 is not one of the known labels",
    );
  });
});

describe("early stopping in a comparison", () => {
  const early = { earlyStopping: 2, evalEvery: 5 };
  const refused =
    /^No run was started\. good: --early-stopping would stop lora by the validation rows that the results are reported on: use lora\+es/;

  it("on the reported rows is refused, wherever it is set", async () => {
    await expect(check([good], early)).rejects.toThrow(refused);
    await expect(check([good], early)).rejects.toThrow(UsageError);
    await expect(check([good], early, true)).rejects.toThrow(refused);
    await expect(check([{ ...good, ...early }])).rejects.toThrow(refused);
    await expect(check([good], {}, false, ["perMethod: {lora: {earlyStopping: 2, evalEvery: 5}}"])).rejects.toThrow(
      refused,
    );
    await expect(check([good], { grid: ["earlyStopping=2,3"], evalEvery: 5 })).rejects.toThrow(refused);
    await expect(check([good], { methods: ["bidora"], ...early })).rejects.toThrow("would stop bidora by");
    await expect(check([good], { methods: ["lora", "dora", "lora+es"], ...early })).rejects.toThrow(
      "stop lora, dora by",
    );
  });

  it("on other rows is accepted: held-out rows, or validation rows beside test rows", async () => {
    await expect(check([good], { methods: ["lora+es", "dora+es"], earlyStopping: 2 })).resolves.toBeUndefined();
    await expect(check([good], { ...early, holdoutFraction: 0.25 })).resolves.toBeUndefined();
    await expect(check([{ ...good, test: other }], early)).resolves.toBeUndefined();
    // A search that ends by the rows of its own upper level looks at none that are reported.
    await expect(check([good], { methods: ["bidora"], searchPatience: 2 })).resolves.toBeUndefined();
  });

  it("on validation rows that are test rows is refused, in whatever order and with whatever labels they are there", async () => {
    const shuffled = jsonl(...rowsOf(8, "validation", () => "beta").reverse());
    await expect(check([{ ...good, test: shuffled }], early)).rejects.toThrow(
      "good: --early-stopping would stop lora by the validation rows, but 8 of the 8 test rows, which the results are reported on, are among these: use lora+es, which holds out training rows to stop by, set --holdout-fraction, or remove these rows from the validation rows.",
    );
    const some = jsonl(...rowsOf(6, "test"), ...rowsOf(1, "validation"));
    await expect(check([{ ...good, test: some }], early)).rejects.toThrow("but 1 of the 7 test rows");
    await expect(check([{ ...good, test: some }], { methods: ["lora", "lora+es"] })).resolves.toBeUndefined();
    // As many as random parts of a file of short texts have in common.
    const [few, notes] = [jsonl(...rowsOf(38, "test"), ...rowsOf(2, "validation")), [] as string[]];
    await check([{ ...good, test: few }], early, false, [], notes);
    expect(notes).toEqual(["good: 2 of the 40 test rows are also validation rows, by which --early-stopping chooses."]);
    const more = jsonl(...rowsOf(37, "test"), ...rowsOf(3, "validation"));
    await expect(check([{ ...good, test: more }], early)).rejects.toThrow("but 3 of the 40 test rows");
  });

  it("a choice by held-out training rows that are mostly the reported rows is refused, fewer get a note", async () => {
    const trained = { ...good, validation: rows(8) };
    await expect(check([trained], { methods: ["lora+es"] })).rejects.toThrow(
      "good: early stopping would stop lora+es by held-out training rows, but 8 of the 8 validation rows, which the results are reported on, are among the training rows: name other rows to report on by --test, or remove these rows from the training rows.",
    );
    await expect(check([trained], { grid: ["rank=2,4"] })).rejects.toThrow(
      "--tune would choose settings of lora by held-out training rows, but 8 of the 8",
    );
    const half = { ...good, validation: jsonl(...rowsOf(4, "word"), ...rowsOf(4, "validation")) };
    const notes: string[] = [];
    await check([half, { ...good, name: "clean" }], { grid: ["rank=2,4"] }, false, [], notes);
    expect(notes).toEqual([
      "good: 4 of the 8 validation rows are also training rows: scores on them are not scores on new rows.",
    ]);
    await expect(check([trained], {}, false, [], notes)).resolves.toBeUndefined();
    expect(notes.at(-1)).toContain("8 of the 8 validation rows are also training rows");
  });

  it("has a note on held-out rows that stand in others, and on their groups", async () => {
    const nested = Array.from({ length: 10 }, (_, i) => [
      `one two three four ${i}`,
      `zero one two three four ${i}`,
    ]).flat();
    const task = { ...good, train: jsonl(...nested.map((text, i) => ({ text, label: someLabel(i) }))) };
    const one = { ...task, validation: jsonl({ text: "two three", label: "alpha" }, { text: "else", label: "beta" }) };
    const notesOf = async (flags: Asked) => {
      const notes: string[] = [];
      await check([one], flags, false, [], notes);
      return notes;
    };
    expect(await notesOf({ methods: ["lora"] })).toEqual([]);
    const held = /^good: \d of the 4 \(\d+ %\) held-out rows are equal to rows that are trained on or stand in them/;
    expect(await notesOf({ tune: ["rank=2,4"] })).toEqual([expect.stringMatching(held)]);
    expect(await notesOf({ methods: ["lora+es"] })).toEqual([expect.stringMatching(held)]);
    expect(await notesOf({ tune: ["rank=2,4"], holdoutGroups: true })).toEqual([
      "good: --holdout-groups found 10 groups in 20 training rows, the largest of 2 rows; 4 of the 20 (20 %) rows are held out.",
      "good: 1 of the 2 (50 %) validation rows are equal to training rows or stand in them.",
    ]);
  });

  it("by a metric that a task does not have is refused, also for one method or grid point", async () => {
    const refused =
      /^No run was started\. good: --early-stopping-metric takes accuracy, .*loss for this task; got pearson\.$/;
    const stopping = ["perMethod:", "  lora+es: {earlyStoppingMetric: pearson}"];
    await expect(check([good], { methods: ["lora", "lora+es"] }, false, stopping)).rejects.toThrow(refused);
    await expect(check([good], { methods: ["lora+es"], grid: ["earlyStoppingMetric=loss,pearson"] })).rejects.toThrow(
      refused,
    );
    await expect(check([good], { methods: ["lora+es"], earlyStoppingMetric: "accuracy" })).resolves.toBeUndefined();
  });

  it("without rows to evaluate on is refused", async () => {
    const tested = { name: "good", task: "sequence-classification", train, test: other };
    await expect(check([tested], early)).rejects.toThrow(
      /good: --early-stopping needs --eval-every, and validation rows/,
    );
    await expect(check([good], { earlyStopping: 2, holdoutFraction: 0.2 })).rejects.toThrow("needs --eval-every");
  });

  it("of a named data set is checked by the splits in its folder", async () => {
    const words = (name: string, folder: string) => writeFileSync(join(folder, name), "word\tO\nIL-2\tB-DNA\n\n");
    const [data, tested] = [fresh("jnlpba"), fresh("genia")];
    for (const folder of [data, tested]) mkdirSync(folder);
    for (const name of ["train.tsv", "devel.tsv", "test.tsv"]) words(name, data);
    for (const name of ["Genia4ERtask1.iob2", "Genia4EReval1.iob2"]) words(name, tested);
    const set = { name: "good", task: "jnlpba", data };
    await expect(check([set], early)).rejects.toThrow(refused);
    await expect(check([{ ...set, testSplit: true }], early)).resolves.toBeUndefined();
    await expect(check([{ ...set, data: tested }])).resolves.toBeUndefined();
  });
});
