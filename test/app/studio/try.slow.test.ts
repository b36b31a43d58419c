// Questions to trained models: answers are those of the commands, and a process that ends is started again.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { Answerer } from "../../../src/app/studio/answers/answerer.js";
import { answerTo } from "../../../src/app/studio/answers/answering.js";
import { askedModel, BASE, type FinishedRun, finishedRun } from "../../../src/app/studio/answers/finishedRuns.js";
import type { Piece, Question } from "../../../src/app/studio/answers/protocol.js";
import { Talks } from "../../../src/app/studio/answers/talks.js";
import { StudioFolder } from "../../../src/app/studio/folder.js";
import { GOLDEN, spawned } from "../../e2e/support.js";
import { freshPath } from "../../support/workFolder.js";
import { trainedRuns } from "./trainedRuns.js";

const folder = freshPath("studio");
const at = new StudioFolder(folder);
beforeAll(() => trainedRuns(folder, "pairs", "words", "search", "prompted", "rank", "text"));

const run = (name: string): FinishedRun => finishedRun(at, name)!;

/** The answer to a question. @throws what `ask` throws */
async function answer(answerer: Answerer, question: Question): Promise<Piece[]> {
  const pieces: Piece[] = [];
  await answerer.ask(question, { onPiece: (piece) => pieces.push(piece) });
  return pieces;
}

/** What the command `predict` writes for rows. */
function predictedBy(name: string, rows: readonly object[]): unknown[] {
  const [input, output] = [freshPath("rows.jsonl"), freshPath("out.jsonl")];
  writeRows(input, rows);
  const { status, stderr } = spawned("predict", "--adapter", run(name).path, "--input", input, "--output", output);
  expect([status, stderr]).toEqual([0, expect.any(String)]);
  return lines(output);
}

const lines = (path: string): unknown[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("predictions are those of the command, of several runs one after the other", async () => {
  const answerer = new Answerer(folder);
  const rows = [{ sentence1: "cold rain fell", sentence2: "cold rain" }];
  const models = [run("pairs"), run("words")].map((one) => askedModel(one));
  const [first, second] = await answer(answerer, { kind: "predict", models, rows });
  expect(first).toEqual({ model: "pairs", predictions: predictedBy("pairs", rows) });
  // What is wrong with one of them is its own part of the answer.
  expect(second).toEqual({
    model: "words",
    error: expect.stringContaining("no column has a usual name for the words"),
  });
  expect(answerer.held).toEqual({ open: ["pairs", "words"], memory: expect.any(Number) });
  await answerer.close();
  expect(answerer.held).toBeUndefined();
});

test("words, and documents for a query", async () => {
  const answerer = new Answerer(folder);
  const cases = {
    words: [{ tokens: ["the", "small", "boat"] }],
    rank: [
      { query: "boat", document: "wall tree" },
      { query: "boat", document: "red" },
    ],
  };
  for (const [name, rows] of Object.entries(cases)) {
    const [piece] = await answer(answerer, { kind: "predict", models: [askedModel(run(name))], rows });
    expect(piece).toEqual({ model: name, predictions: predictedBy(name, rows) });
  }
  await answerer.close();
});

/** A run as this process finds it. */
const asked = (name: string, isBase = false) => ({ ...askedModel(run(name), isBase), run: run(name).path });

/** What the process with opened models does, in this one. */
async function answerHere(question: Question): Promise<Piece[]> {
  const pieces: Piece[] = [];
  await answerTo(question, (piece) => pieces.push(piece), new AbortController().signal);
  return pieces;
}

test("the nearest training texts have the cosines of the command's embeddings; the base has its own", async () => {
  const file = join(GOLDEN, "embeddings", "pairs.jsonl");
  const models = [asked("search", true), asked("search")];
  const pieces = await answerHere({
    kind: "nearest",
    models,
    text: "boat",
    file,
    columns: ["anchor", "positive"],
  });
  const [base, own] = pieces as Extract<Piece, { nearest: unknown }>[];
  expect([base!.model, own!.model]).toEqual([BASE, "search"]);
  expect(own!.nearest.of).toBe(6);
  const texts = own!.nearest.texts.map(({ text }) => text);
  const [query, ...others] = predictedBy(
    "search",
    ["boat", ...texts].map((text) => ({ text })),
  ) as { embedding: number[] }[];
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  for (const [i, { cosine }] of own!.nearest.texts.entries())
    expect(cosine).toBeCloseTo(dot(query!.embedding, others[i]!.embedding), 2);
  expect(own!.nearest.texts.map(({ cosine }) => cosine)).toEqual(
    own!.nearest.texts.map(({ cosine }) => cosine).sort((a, b) => b - a),
  );
  expect(base!.nearest.texts.map(({ cosine }) => cosine)).not.toEqual(own!.nearest.texts.map(({ cosine }) => cosine));
});

test("a text to search for has the prompt of queries, and training texts that of documents", async () => {
  const file = join(GOLDEN, "embeddings", "pairs.jsonl");
  const largest = async (name: string) => {
    const models = [asked(name)];
    const [piece] = await answerHere({ kind: "nearest", models, text: "wall tree", file });
    return (piece as Extract<Piece, { nearest: unknown }>).nearest.texts.find(({ text }) => text === "wall tree")!
      .cosine;
  };
  expect(await largest("search")).toBeCloseTo(1, 5);
  expect(await largest("prompted")).toBeLessThan(0.999);
});

test("texts are continued as by the command, with the settings; what is refused changes nothing", async () => {
  const answerer = new Answerer(folder);
  const talks = new Talks(at, answerer);
  const talkers = [{ run: run("text"), isBase: false }];
  const settings = { maxNewTokens: 12, temperature: 0.9, seed: 7 };
  const said = { form: "prompt", text: "who left ", system: undefined, settings } as const;
  let streamed = "";
  await talks.say(talkers, said, (piece) => {
    if ("text" in piece) streamed += piece.text;
  });
  const talk = talks.read(talkers[0]!, "prompt");
  expect(talk).toEqual({ prompt: "who left ", answer: streamed, settings });
  const file = join(folder, "tried", "prompt_text.jsonl");
  const flags = ["--max-new-tokens", "12", "--temperature", "0.9", "--seed", "7", "--json"];
  const { stdout } = spawned("generate", "--adapter", run("text").path, "--input", file, ...flags);
  expect(JSON.parse(stdout).text).toBe(streamed);
  await talks.say(talkers, { ...said, text: "other", settings: { temperature: -1 } }, () => {});
  expect(talks.problem(talkers[0]!, "prompt")).toContain("takes a number above 0");
  expect(talks.read(talkers[0]!, "prompt")).toEqual(talk);
  talks.forget(talkers, "prompt");
  expect(talks.read(talkers[0]!, "prompt")).toBeUndefined();
  await answerer.close();
});

test("an answer that is stopped stays as it is, and the next question is answered", async () => {
  const answerer = new Answerer(folder);
  const talks = new Talks(at, answerer);
  const talkers = [{ run: run("text"), isBase: true }];
  const said = { form: "prompt", text: "a", system: undefined, settings: { maxNewTokens: 40 } } as const;
  let streamed = "";
  const saying = talks.say(talkers, said, (piece) => {
    if ("text" in piece) streamed += piece.text;
    talks.stop();
  });
  await expect(talks.say(talkers, said, () => {})).rejects.toThrow("An answer is being written");
  await expect(saying).rejects.toThrow("It was stopped.");
  expect(talks.read(talkers[0]!, "prompt")).toEqual({ prompt: "a", answer: streamed, settings: said.settings });
  await talks.say(talkers, { ...said, settings: { maxNewTokens: 2 } }, () => {});
  expect(talks.problem(talkers[0]!, "prompt")).toBeUndefined();
  await answerer.close();
});

test("a process that is killed is one sentence, and the next question opens the models again", async () => {
  const answerer = new Answerer(folder);
  const rows = [{ sentence1: "cold rain fell", sentence2: "cold rain" }];
  const question = { kind: "predict", models: [askedModel(run("pairs"))], rows } as const;
  const [before] = await answer(answerer, question);
  const pause = () => process.kill(answerer.pid!, "SIGSTOP"); // so that it does not answer before it is killed
  pause();
  const dying = answer(answerer, question);
  const waiting = answer(answerer, question);
  await Promise.resolve();
  process.kill(answerer.pid!, "SIGKILL");
  await expect(dying).rejects.toThrow("has ended (it was killed, as the system does when memory runs out): ask again");
  expect(await waiting).toEqual([before]);
  pause();
  const closed = answer(answerer, question);
  await Promise.resolve();
  await answerer.close();
  await expect(closed).rejects.toThrow("has ended (it was closed): ask again");
  await answerer.close();
});

test("models are closed after a while without a question", async () => {
  const answerer = new Answerer(folder, () => {}, 50);
  await answer(answerer, { kind: "refusals", models: [askedModel(run("pairs"))] });
  expect(answerer.pid).toBeDefined();
  await expect.poll(() => answerer.pid, { timeout: 10_000 }).toBeUndefined();
});

test("what a model's task can't become has the sentence of the command that refuses it", async () => {
  const answerer = new Answerer(folder);
  const refusals = async (name: string) => {
    const [piece] = await answer(answerer, { kind: "refusals", models: [askedModel(run(name))] });
    return (piece as Extract<Piece, { refusals: unknown }>).refusals;
  };
  const output = freshPath("out");
  const sentence = (...words: readonly string[]) =>
    spawned(...words)
      .stderr.trim()
      .replace(/^bidora: /, "");
  const { gguf, serve, onnx } = await refusals("pairs");
  const adapter = ["--adapter", run("pairs").path];
  expect(gguf).toBe(sentence("export", ...adapter, "--to", "gguf", "--output", `${output}.gguf`));
  expect(serve).toBe(sentence("serve", ...adapter, "--port", "0"));
  expect(onnx).toBeUndefined();
  expect(await refusals("text")).toEqual({});
  const lora = ["--adapter", run("prompted").path, "--to", "gguf-lora", "--output", `${output}.gguf`];
  expect((await refusals("prompted"))["gguf-lora"]).toBe(sentence("export", ...lora).split("\n")[0]);
  await answerer.close();
});

function writeRows(path: string, rows: readonly object[]): void {
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
