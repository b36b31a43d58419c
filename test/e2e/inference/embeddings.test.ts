// Embeddings in use: evaluated, written as arrays, and searched for hard negatives.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import { type MineSettings, mine } from "../../../src/app/commands/models/mine.js";
import { predict } from "../../../src/app/commands/models/predict.js";
import { cosine } from "../../../src/tasks/retrieval/index.js";
import { BERT, bidora, changed, evaluated, fresh, GOLDEN, json, jsonl, list, ROWS, readRows, run } from "../support.js";

const MODEL = join(BERT, "no-prefix");
const EMBEDDING = { model: MODEL, task: "embedding", dtype: "float32" } as const;

const SENTENCES = readRows(join(ROWS, "train.jsonl")) as unknown as readonly { sentence1: string; sentence2: string }[];
const PAIRS = SENTENCES.map(({ sentence1, sentence2 }) => ({ anchor: sentence1, positive: sentence2 }));
const OTHERS = ["three dogs ran", "the train was late", "a yellow boat", PAIRS[0]!.positive];
const SCORED = SENTENCES.map((row, i) => ({ ...row, score: (i * 7) % 5 }));

const corpusFile = () => jsonl(...OTHERS.map((text) => ({ text })));

/** The embedding of each text, behind a prompt. */
async function embeddingsOf(texts: readonly string[], model = MODEL, prompt = ""): Promise<Map<string, number[]>> {
  const input = jsonl(...texts.map((text) => ({ text: prompt + text })));
  const found = await predict({ ...EMBEDDING, model, input });
  return new Map(texts.map((text, i) => [text, found[i]!.embedding as number[]]));
}

/** The mean over anchors of the reciprocal rank of the best positive, and the share of positives that come first, by sorting. */
function sortedMetrics(
  pairs: typeof PAIRS,
  queries: Map<string, number[]>,
  documents: Map<string, number[]>,
): { recall1: number; mrr: number } {
  const anchors = [...new Set(pairs.map(({ anchor }) => anchor))];
  const each = anchors.map((anchor) => {
    const relevant = new Set(pairs.filter((pair) => pair.anchor === anchor).map(({ positive }) => positive));
    const score = (text: string) => cosine(queries.get(anchor)!, documents.get(text)!);
    const sorted = [...documents.keys()].sort((a, b) => score(b) - score(a));
    const first = sorted.findIndex((text) => relevant.has(text)) + 1;
    return { recall1: first === 1 ? 1 / relevant.size : 0, mrr: first <= 10 ? 1 / first : 0 };
  });
  const mean = (key: "recall1" | "mrr") => each.reduce((sum, one) => sum + one[key], 0) / anchors.length;
  return { recall1: mean("recall1"), mrr: mean("mrr") };
}

/** The model in a sentence-transformers folder with prompts. */
function withPrompts(prompts: Record<string, string>): string {
  const folder = changed("bert/no-prefix", "config.json", {});
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  write("modules.json", [
    { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" },
    { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
  ]);
  write("config_sentence_transformers.json", { prompts });
  mkdirSync(join(folder, "1_Pooling"));
  write("1_Pooling/config.json", { pooling_mode_mean_tokens: true });
  return folder;
}

describe("evaluate", () => {
  const ofTexts = (texts: readonly string[]) => embeddingsOf([...new Set(texts)]);
  const anchors = PAIRS.map(({ anchor }) => anchor);
  const positives = PAIRS.map(({ positive }) => positive);

  test("searches anchors' positives among all positives of the file", async () => {
    const metrics = await evaluated({ ...EMBEDDING, data: jsonl(...PAIRS) });
    const expected = sortedMetrics(PAIRS, await ofTexts(anchors), await ofTexts(positives));
    expect(Object.keys(metrics)).toEqual(["recall@1", "recall@10", "mrr@10", "ndcg@10", "map@100", "loss"]);
    expect(metrics["recall@1"]).toBeCloseTo(expected.recall1, 10);
    expect(metrics["mrr@10"]).toBeCloseTo(expected.mrr, 10);
  });

  test("does not search negatives", async () => {
    const rows = PAIRS.map((pair, i) => ({ ...pair, negative: OTHERS[i % 3]! }));
    const { loss: _, ...metrics } = await evaluated({ ...EMBEDDING, data: jsonl(...rows) });
    const { loss, ...expected } = await evaluated({ ...EMBEDDING, data: jsonl(...PAIRS) });
    expect(metrics).toEqual(expected);
    expect(loss).toBeGreaterThan(0);
  });

  test("searches the corpus too, in which positives count once", async () => {
    const metrics = await evaluated({ ...EMBEDDING, data: jsonl(...PAIRS), corpus: corpusFile() });
    const expected = sortedMetrics(PAIRS, await ofTexts(anchors), await ofTexts([...positives, ...OTHERS]));
    expect(metrics["mrr@10"]).toBeCloseTo(expected.mrr, 10);
  });

  test("with a limit still searches the positives of all rows", async () => {
    const some = PAIRS.slice(0, 5);
    const metrics = await evaluated({ ...EMBEDDING, data: jsonl(...PAIRS), limit: 5 });
    const expected = sortedMetrics(some, await ofTexts(anchors), await ofTexts(positives));
    expect(metrics["mrr@10"]).toBeCloseTo(expected.mrr, 10);
    expect(metrics["mrr@10"]).not.toBeCloseTo((await evaluated({ ...EMBEDDING, data: jsonl(...some) }))["mrr@10"]!, 3);
  });

  test("takes rows with one anchor as one query, in any order of rows and with other line ends", async () => {
    const rows = [...PAIRS.slice(0, 8), { anchor: PAIRS[0]!.anchor, positive: PAIRS[1]!.positive }];
    const expected = sortedMetrics(rows, await ofTexts(anchors), await ofTexts(rows.map(({ positive }) => positive)));
    const { loss: _, ...metrics } = await evaluated({ ...EMBEDDING, data: jsonl(...rows) });
    expect(metrics["mrr@10"]).toBeCloseTo(expected.mrr, 10);
    const reversed = await evaluated({ ...EMBEDDING, data: jsonl(...rows.toReversed()) });
    for (const [name, value] of Object.entries(metrics)) expect(reversed[name], name).toBeCloseTo(value, 12);
    const file = jsonl(...rows);
    writeFileSync(file, readFileSync(file, "utf8").replaceAll("\n", "\r\n"));
    expect(await evaluated({ ...EMBEDDING, data: file })).toMatchObject(metrics);
  });

  test("puts the model's prompts before anchors and documents", async () => {
    const model = withPrompts({ query: "the train ", document: "a garden " });
    const metrics = await evaluated({ ...EMBEDDING, model, data: jsonl(...PAIRS), corpus: corpusFile() });
    const queries = await embeddingsOf(anchors, MODEL, "the train ");
    const documents = await embeddingsOf([...new Set([...positives, ...OTHERS])], MODEL, "a garden ");
    const expected = sortedMetrics(PAIRS, queries, documents);
    expect(metrics["mrr@10"]).toBeCloseTo(expected.mrr, 10);
    expect(metrics["recall@1"]).toBeCloseTo(expected.recall1, 10);
  });

  test("refuses a length that a prompt fills, at which all texts would have one embedding", async () => {
    const model = withPrompts({ document: "the train was late " });
    const settings = { ...EMBEDDING, model, data: jsonl(...PAIRS) };
    await expect(evaluate({ ...settings, maxLength: 13 })).rejects.toThrow(
      'The model\'s prompt "the train was late " has 13 tokens, special ones included, and --max-length 13 leaves none',
    );
    await expect(evaluate({ ...settings, maxLength: 14 })).resolves.toBeDefined();
  });

  test("correlates scores with cosines", async () => {
    const metrics = await evaluated({ ...EMBEDDING, data: jsonl(...SCORED) });
    expect(Object.keys(metrics)).toEqual(["pearson", "spearman", "loss"]);
    const embeddings = await ofTexts(SCORED.flatMap(({ sentence1, sentence2 }) => [sentence1, sentence2]));
    const cosines = SCORED.map((row) => cosine(embeddings.get(row.sentence1)!, embeddings.get(row.sentence2)!));
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviations = (values: readonly number[]) => values.map((value) => value - mean(values));
    const [a, b] = [deviations(cosines), deviations(SCORED.map(({ score }) => score))];
    const product = (x: readonly number[], y: readonly number[]) => mean(x.map((value, i) => value * y[i]!));
    expect(metrics.pearson).toBeCloseTo(product(a, b) / Math.sqrt(product(a, a) * product(b, b)), 6);
  });

  test("resamples queries for confidence intervals", async () => {
    const rows = [...PAIRS, ...PAIRS.map(({ anchor, positive }) => ({ anchor: positive, positive: anchor }))];
    const { intervals, metrics, notes } = await evaluate({ ...EMBEDDING, data: jsonl(...rows), confidence: 0.9 });
    const { low, high } = intervals!["mrr@10"]!;
    expect(low).toBeLessThan(metrics["mrr@10"]!);
    expect(high).toBeGreaterThan(metrics["mrr@10"]!);
    const few = await evaluate({ ...EMBEDDING, data: jsonl(...PAIRS), confidence: 0.9 });
    expect(few.notes?.join(" ")).toContain("queries are too few for the bootstrap");
    expect(notes ?? []).not.toContain("rows");
  });

  test.each([
    ["pairs with scores", { ...EMBEDDING, data: jsonl(...SCORED) }],
    ["another task", { model: join(BERT, "single"), data: join(ROWS, "train.jsonl") }],
  ])("refuses a corpus for %s", async (_, settings) => {
    await expect(evaluate({ ...settings, corpus: corpusFile() })).rejects.toThrow(
      /^No effect here: --corpus \(applies only .*with embedding, on pairs without scores\); add what it needs, or leave it out\.$/,
    );
  });

  test("has no metrics of written predictions, which are of single texts", async () => {
    const predictions = jsonl({ embedding: [1, 2] });
    await expect(evaluate({ task: "embedding", data: jsonl(...PAIRS), predictions })).rejects.toThrow(
      "Predictions of embedding can't be read from a file.",
    );
  });

  test("names an empty corpus", async () => {
    const corpus = jsonl();
    await expect(evaluate({ ...EMBEDDING, data: jsonl(...PAIRS), corpus })).rejects.toThrow(corpus);
  });
});

describe("predict --format", () => {
  const input = corpusFile();
  const written = async (format: string) => {
    const output = fresh(`vectors.${format}`);
    const argv = ["--input", input, "--output", output, "--format", format, "--dtype", "float32"];
    const { status, stderr } = await bidora("predict", "--model", MODEL, "--task", "embedding", ...argv);
    expect([status, stderr]).toEqual([0, ""]);
    return readFileSync(output);
  };

  test("npy and f32 hold the embeddings as float32, row after row", async () => {
    const rows = (await predict({ ...EMBEDDING, input })).map(({ embedding }) => embedding as number[]);
    const raw = await written("f32");
    const values = new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4);
    expect(Array.from(values)).toEqual(rows.flat());
    const npy = await written("npy");
    const length = npy.readUInt16LE(8);
    expect(npy.subarray(0, 8)).toEqual(Buffer.from("\x93NUMPY\x01\x00", "latin1"));
    expect((10 + length) % 64).toBe(0);
    const header = npy.toString("latin1", 10, 10 + length);
    expect(header.trimEnd()).toBe(
      `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, ${rows[0]!.length}), }`,
    );
    expect(header.endsWith("\n")).toBe(true);
    expect(npy.subarray(10 + length)).toEqual(raw);
  });

  test("jsonl is the default, and right for every task", async () => {
    const output = fresh("out.jsonl");
    const settings = { model: join(BERT, "single"), input: join(ROWS, "train.jsonl"), output } as const;
    await predict({ ...settings, format: "jsonl" });
    expect(readRows(output)).toHaveLength(PAIRS.length);
    expect((await written("jsonl")).toString().split("\n")).toHaveLength(OTHERS.length + 1);
  });

  test("arrays are refused for other tasks, and without a file", async () => {
    const output = fresh("out.npy");
    const settings = { model: join(BERT, "single"), input: join(ROWS, "train.jsonl"), output } as const;
    await expect(predict({ ...settings, format: "npy" })).rejects.toThrow(
      "No effect here: --format npy (applies only with embedding and --output); add what it needs, or leave it out.",
    );
    expect(existsSync(output)).toBe(false);
    await expect(predict({ ...EMBEDDING, input, format: "f32" })).rejects.toThrow("--format f32 (applies only");
  });
});

describe("mine", () => {
  const mined = async (settings: MineSettings) => {
    const output = fresh("mined.jsonl");
    const result = await mine({ model: MODEL, dtype: "float32", output, ...settings });
    const rows = readRows(output) as unknown as { anchor: string; positive: string; negatives: string[] }[];
    return { result, rows };
  };

  test("adds the nearest texts that are no positives of the anchor", async () => {
    const pairs = [...PAIRS, { anchor: PAIRS[0]!.anchor, positive: PAIRS[2]!.positive }];
    const { result, rows } = await mined({ input: jsonl(...pairs), corpus: corpusFile(), numNegatives: 4 });
    expect(result).toMatchObject({ rows: pairs.length, negatives: 4 * pairs.length, short: 0, leftOut: 0 });
    expect(rows.map(({ anchor, positive }) => ({ anchor, positive }))).toEqual(pairs);
    const texts = [...new Set([...pairs.map(({ positive }) => positive), ...OTHERS])];
    const documents = await embeddingsOf(texts);
    const queries = await embeddingsOf(pairs.map(({ anchor }) => anchor));
    for (const { anchor, negatives } of rows) {
      const positives = pairs.filter((pair) => pair.anchor === anchor).map(({ positive }) => positive);
      const score = (text: string) => cosine(queries.get(anchor)!, documents.get(text)!);
      const sorted = texts
        .filter((text) => text !== anchor && !positives.includes(text))
        .sort((a, b) => score(b) - score(a));
      expect(negatives.map(score)).toEqual(sorted.slice(0, 4).map(score));
    }
  });

  test("never takes the anchor, nor what differs from a text of its rows in case and spacing", async () => {
    const { anchor, positive } = PAIRS[3]!;
    const alike = [anchor, positive, PAIRS[4]!.positive].map(
      (text) => ` ${text.toUpperCase().replaceAll(" ", "  ")}\t`,
    );
    const corpus = jsonl(...[...alike, anchor, "a yellow boat"].map((text) => ({ text })));
    const own = { anchor, positive, negatives: [PAIRS[4]!.positive] };
    const { rows } = await mined({ input: jsonl(own), corpus, numNegatives: 9 });
    expect(rows).toEqual([{ ...own, negatives: [PAIRS[4]!.positive, "a yellow boat"] }]);
  });

  test("puts the model's prompts before anchors and documents", async () => {
    const model = withPrompts({ query: "the train ", document: "a garden " });
    const { rows } = await mined({ model, input: jsonl(...PAIRS), numNegatives: 3 });
    const documents = await embeddingsOf([...new Set(PAIRS.map(({ positive }) => positive))], MODEL, "a garden ");
    const queries = await embeddingsOf([...new Set(PAIRS.map(({ anchor }) => anchor))], MODEL, "the train ");
    for (const { anchor, negatives } of rows) {
      const own = PAIRS.filter((pair) => pair.anchor === anchor).map(({ positive }) => positive);
      const score = (text: string) => cosine(queries.get(anchor)!, documents.get(text)!);
      const others = [...documents.keys()].filter((text) => text !== anchor && !own.includes(text));
      expect(negatives.map(score)).toEqual(
        others
          .map(score)
          .sort((a, b) => b - a)
          .slice(0, 3),
      );
    }
  });

  test("with a reranker, which scores the candidates again", async () => {
    const reranker = join(GOLDEN, "reranking", "bert-6");
    const { rows } = await mined({
      input: jsonl(...PAIRS),
      numNegatives: 2,
      rangeMax: 100,
      reranker,
      absoluteMargin: 0.05,
    });
    const scores = async (query: string, documents: readonly string[]) => {
      const input = jsonl(...documents.map((document) => ({ query, document })));
      return (await predict({ model: reranker, input, dtype: "float32" })).map(({ score }) => score as number);
    };
    const texts = [...new Set(PAIRS.map(({ positive }) => positive))];
    const folded = (text: string) => text.toLowerCase().trim();
    expect(rows.length).toBeGreaterThan(2);
    for (const { anchor, negatives } of rows) {
      const positives = PAIRS.filter((pair) => pair.anchor === anchor).map(({ positive }) => positive);
      const limit = Math.min(...(await scores(anchor, positives))) - 0.05;
      const all = (await scores(anchor, texts)).map((score, i) => ({ score, text: texts[i]! }));
      const others = all.filter(
        ({ text, score }) => ![anchor, ...positives].map(folded).includes(folded(text)) && score <= limit,
      );
      const best = others.sort((a, b) => b.score - a.score).slice(0, negatives.length);
      // Texts that are cut to the same tokens have the same score.
      expect(await scores(anchor, negatives)).toEqual(best.map(({ score }) => expect.closeTo(score, 5)));
    }
  });

  test("its rows are trained on", async () => {
    const output = fresh("mined.jsonl");
    await mine({ model: MODEL, input: jsonl(...PAIRS), output, numNegatives: 2, samplingStrategy: "random", seed: 3 });
    const settings = { model: MODEL, task: "embedding", train: output, maxSteps: 2, method: "lora" } as const;
    const { events } = await run(settings);
    expect(events.at(-1)?.event).toBe("done");
  });

  test("reads the columns that an adapter was trained on", async () => {
    const train = jsonl(...PAIRS.map(({ anchor, positive }) => ({ q: anchor, d: positive })));
    const settings = { model: MODEL, task: "embedding", train, textColumns: ["q", "d"], maxSteps: 1 } as const;
    const { output: adapter } = await run({ ...settings, method: "lora" });
    const { rows } = await mined({ adapter, input: train, numNegatives: 1 });
    expect(rows.map(({ anchor, positive }) => ({ anchor, positive }))).toEqual(PAIRS);
  });

  test("says how many rows got fewer negatives, or none", async () => {
    const input = jsonl(...PAIRS.slice(0, 4));
    const argv = ["mine", "--model", MODEL, "--input", input, "--dtype", "float32"];
    const short = await bidora(...argv, "--output", fresh("short.jsonl"), "--num-negatives", "5");
    expect(short.stdout).toContain("rows with 12 negatives in");
    expect(short.stderr).toContain("4 rows have fewer negatives than asked for: give more texts with --corpus");
    const output = fresh("none.jsonl");
    const none = await bidora(...argv, "--output", output, "--max-score", "-1");
    expect([none.status, existsSync(output)]).toEqual([1, false]);
    expect(none.stderr).toContain("No row got a negative: give more texts with --corpus");
  });

  test.each<[string, MineSettings, string]>([
    ["no rows", {}, "--input is missing."],
    ["no file to write", { input: "pairs.jsonl" }, "--output is missing."],
    ["an empty range", { rangeMin: 5, rangeMax: 5 }, "--range-max 5 leaves no candidate beyond --range-min 5"],
    [
      "a cosine beyond 1",
      { maxScore: 2 },
      "--max-score takes a number of at least -1 and at most 1, for cosines; got 2.",
    ],
    ["an adapter of no reranker", { rerankerAdapter: "a" }, "--reranker-adapter (applies only with --reranker)"],
    ["a reranker without a head", { reranker: MODEL }, "no trained head for reranking"],
    ["a seed without draws", { seed: 3 }, "--seed (applies only with --sampling-strategy random)"],
    ["rows with scores", { input: jsonl(...SCORED) }, "line 1 has a score: negatives are for pairs"],
  ])("refuses %s", async (name, settings, message) => {
    const given = name.startsWith("no ") ? {} : { input: jsonl(...PAIRS), output: fresh("refused.jsonl") };
    await expect(mine({ model: MODEL, ...given, ...settings })).rejects.toThrow(message);
  });
});

describe("finetune", () => {
  const PAIRED = { model: MODEL, task: "embedding", train: jsonl(...PAIRS), dtype: "float32" } as const;

  test("evaluates as evaluate does, and keeps the ranks of each query", async () => {
    const rows = jsonl(...PAIRS, { anchor: PAIRS[0]!.anchor, positive: PAIRS[5]!.positive });
    const { output, metrics } = await run({ ...PAIRED, validation: rows, method: "lora", maxSteps: 2 });
    const found = await evaluated({ ...EMBEDDING, adapter: output, data: rows });
    for (const name of ["recall@10", "mrr@10", "ndcg@10"]) expect(metrics[name], name).toBeCloseTo(found[name]!, 10);
    const kept = readRows(join(output, "validation-predictions.jsonl"));
    expect(kept).toHaveLength(new Set(PAIRS.map(({ anchor }) => anchor)).size);
    expect(kept[0]).toMatchObject({
      line: 1,
      reference: [PAIRS[0]!.positive, PAIRS[5]!.positive],
      prediction: { ranks: [expect.any(Number), expect.any(Number)] },
    });
    expect(kept[0]!.text).toBe(PAIRS[0]!.anchor);
    expect(list(output)).toContain("report.html");
  });

  const [pairs, scored] = [jsonl(...PAIRS), jsonl(...SCORED)];
  test.each([
    ["ndcg@10", pairs, pairs],
    ["spearman", scored, scored],
    ["spearman", pairs, scored],
    ["ndcg@10", scored, pairs],
  ])("stops early by %s", async (name, train, validation) => {
    const settings = { ...PAIRED, train, validation, method: "lora", maxSteps: 6 } as const;
    const { events, metrics, output } = await run({ ...settings, evalEvery: 1, earlyStopping: 1, learningRate: 1 });
    const values = events.flatMap((event) => (event.event === "evaluation" ? [event.metrics[name]!] : []));
    expect(values.length).toBeGreaterThan(1);
    expect(metrics[name]).toBeCloseTo(Math.max(...values), 10);
    expect(json(join(output, "bidora.json"))).toMatchObject({ isScored: name === "spearman" });
  });

  test.each([
    ["validation and held-out", { train: pairs, validation: scored, holdoutFraction: 0.3 }],
    ["validation and held-out", { train: scored, validation: pairs, holdoutFraction: 0.3 }],
    ["test and held-out", { train: pairs, test: scored, holdoutFraction: 0.3, evalEvery: 1, earlyStopping: 1 }],
    ["validation and test", { train: pairs, validation: scored, test: pairs }],
  ])("refuses %s rows of which only some have scores", async (_, rows) => {
    const output = fresh();
    const settings = { ...PAIRED, ...rows, output, method: "lora", maxSteps: 2 } as const;
    await expect(run(settings)).rejects.toThrow(
      /^The \S+( training)? rows have scores and the \S+( training)? rows have none, but a run goes by one metric/,
    );
    expect(existsSync(output)).toBe(false);
  });
});
