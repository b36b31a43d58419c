// Runs of two ranks that are refused, or must give what one process gives. One pair of processes makes all of them.
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type FinetuneSettings, finetune } from "../../../src/app/commands/finetune.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { folderOf } from "../../tasks/datasets/folders.js";
import { changed, fresh, GOLDEN, ROWS, readRows, write } from "../support.js";
import { inOneGo, type Reported } from "./inOneGo.js";
import { BASE, eventsIn } from "./support.js";

const golden = (...path: readonly string[]) => join(GOLDEN, ...path);
const TRAIN = join(ROWS, "train.jsonl");
const LINES = readFileSync(TRAIN, "utf8").trimEnd().split("\n");

const TINY = { ...BASE, batchSize: 2, maxSteps: 4 } as const satisfies FinetuneSettings;
const PAIRS = golden("embeddings", "pairs.jsonl");
const EMBEDDED = { ...TINY, model: golden("embeddings", "bert-mean"), task: "embedding", train: PAIRS } as const;

const MEANINGS = "mr,ref\nthe small boat,left the harbour\nthe storm,came in\nthe boat,came\n";
/** E2E NLG, whose evaluation generates texts. */
const written = (): FinetuneSettings => {
  const data = folderOf({ "trainset.csv": MEANINGS, "devset.csv": MEANINGS, "testset_w_refs.csv": MEANINGS });
  const { train: _, ...rest } = TINY;
  return { ...rest, model: golden("llama", "lm"), task: "e2e-nlg", data, batchSize: 1, maxNewTokens: 4, beams: 2 };
};

function copyOf(model: string): string {
  const folder = fresh("other");
  cpSync(model, folder, { recursive: true });
  return folder;
}

/** A copy of the model with other query weights. */
function otherWeights(): string {
  const folder = copyOf(TINY.model);
  const path = join(folder, "model.safetensors");
  const file = openSafetensors(path);
  const tensors = file.names.map((name) => [name, file.readTensor(name)] as const);
  file.close();
  for (const [name, tensor] of tensors)
    if (name.endsWith("query.weight")) torch.noGrad(() => void torch.mulScalar_(tensor, 1.01));
  saveSafetensors(path, tensors, { format: "pt" });
  for (const [, tensor] of tensors) tensor.dispose();
  return folder;
}

/** A copy of the model whose tokenizer.json has one more byte. */
function otherTokenizer(): string {
  const folder = copyOf(TINY.model);
  const path = join(folder, "tokenizer.json");
  writeFileSync(path, `${readFileSync(path, "utf8")}\n`);
  return folder;
}

/** A run that was stopped after its second step, in a folder of its own, as one of two ranks continues it. */
async function stopped(more: FinetuneSettings = {}) {
  const settings = { ...TINY, ...more, batchSize: 4, saveEvery: 2, output: fresh("stopped") };
  await finetune(settings);
  rmSync(join(settings.output, "metrics.json"));
  rmSync(join(settings.output, "checkpoint-4"), { recursive: true });
  return { ...settings, batchSize: 2, resume: true };
}

const NAMES = [
  "other rows",
  "other settings",
  "another model",
  "other weights of the same shapes",
  "another tokenizer",
  "another pooling",
  "another generation config",
  "another checkpoint of the same name",
  "no checkpoint",
  "a broken row on rank 1",
  "a broken row on rank 0",
] as const;

/** What rank 1 has in another way, and the sentence with which the ranks end. */
interface Difference {
  readonly settings: FinetuneSettings;
  readonly other: FinetuneSettings;
  readonly first: RegExp;
  /** Rank 1's sentence, where it is another one. */
  readonly second?: RegExp;
}

const differs = (what: string, other: FinetuneSettings, settings: FinetuneSettings = TINY): Difference => ({
  ...{ settings, other },
  first: new RegExp(
    `Rank 1 and rank 0 differ in (${what}): all ranks need the same versions, settings, model and data`,
  ),
});

async function differences(): Promise<Readonly<Record<(typeof NAMES)[number], Difference>>> {
  const broken = write("train.jsonl", [...LINES.slice(0, 3), '{"sentence1": "a"}'].join("\n"));
  const [run, another] = [await stopped(), await stopped({ learningRate: 0.03 })];
  return {
    "other rows": differs("the training rows", { train: write("train.jsonl", LINES.slice(0, -1).join("\n")) }),
    "other settings": differs("--rank \\(2, and 8 on rank 0\\)", { rank: 2 }),
    "another model": differs("config.json|the weights of \\S+|the tokenizer", { model: golden("bert", "no-prefix") }),
    "other weights of the same shapes": differs("the weights of \\S+query\\.weight", { model: otherWeights() }),
    "another tokenizer": differs("the tokenizer", { model: otherTokenizer() }),
    "another pooling": differs(
      "the pooling or the prompts of the embeddings",
      { model: changed("embeddings/bert-mean", "1_Pooling/config.json", { pooling_mode: "cls" }) },
      EMBEDDED,
    ),
    "another generation config": differs(
      "generation_config.json",
      { model: changed("llama/lm", "generation_config.json", { repetition_penalty: 1.5 }) },
      written(),
    ),
    "another checkpoint of the same name": differs("the checkpoint to resume from", { output: another.output }, run),
    "no checkpoint": {
      ...{ settings: run, other: { output: fresh("empty") } },
      first: /Rank 1 ended: Rank 1 sees no checkpoint in .*: all ranks need rank 0's folder to resume from\./,
      second: /^BidoraError: Rank 1 sees no checkpoint in/,
    },
    "a broken row on rank 1": {
      ...{ settings: TINY, other: { train: broken } },
      first: /Rank 1 ended: .*train\.jsonl: 1 of 4 rows has no label/,
      second: /^BidoraError: \S+train\.jsonl: 1 of 4 rows has no label/,
    },
    "a broken row on rank 0": {
      ...{ settings: { ...TINY, train: broken }, other: { train: TRAIN } },
      first: /^BidoraError: \S+train\.jsonl: 1 of 4 rows has no label/,
      second: /Rank 0 ended: .*train\.jsonl: 1 of 4 rows has no label/,
    },
  };
}

const VALIDATED = { validation: TRAIN, evalEvery: 2 } as const;

/** Runs whose results must be those of one process with twice the batch. */
const ALIKE: Readonly<Record<string, FinetuneSettings>> = {
  "early stopping": { ...TINY, ...VALIDATED, maxSteps: 12, earlyStopping: 1, learningRate: 0.05 },
  "a loss that compares the rows of a batch": { ...EMBEDDED, validation: PAIRS, evalEvery: 2, batchSize: 1 },
  "generated texts": written(),
};

let refused: Awaited<ReturnType<typeof differences>>;
let reported: (run: number) => readonly [Reported, Reported];
const outputs = Object.keys(ALIKE).map(() => fresh("alike"));

beforeAll(async () => {
  refused = await differences();
  const runs = (rank: number) => [
    ...NAMES.map((name) => {
      const { settings, other } = refused[name];
      return { output: fresh("refused"), ...settings, ...(rank === 1 && other) };
    }),
    ...Object.values(ALIKE).map((settings, i) => ({ ...settings, output: outputs[i]! })),
  ];
  const [first, second] = await inOneGo(2, runs);
  reported = (run) => [first![run]!, second![run]!];
});

test.each(NAMES)("ranks end before the first step, with a sentence: %s", (name) => {
  const [first, second] = reported(NAMES.indexOf(name));
  const expected = refused[name];
  expect(first).toMatchObject({ losses: [], error: expect.stringMatching(expected.first) });
  expect(second).toMatchObject({ losses: [], error: expect.stringMatching(expected.second ?? expected.first) });
});

test.each(Object.keys(ALIKE))("evaluation is shared out: %s, with the results of one process", async (name) => {
  const i = Object.keys(ALIKE).indexOf(name);
  const [first, second] = reported(NAMES.length + i);
  expect([first.error, second.error]).toEqual([undefined, undefined]);
  const { batchSize = 1, ...settings } = ALIKE[name] as FinetuneSettings;
  const [shared, alone] = [outputs[i] as string, fresh("alone")];
  const { metrics } = await finetune({ ...settings, batchSize: 2 * batchSize, output: alone });
  expect(Object.keys(first.metrics)).toEqual(Object.keys(metrics));
  for (const [key, value] of Object.entries(metrics)) {
    expect(first.metrics[key]).toBeCloseTo(value, 4);
    expect(second.metrics[key]).toBe(first.metrics[key]);
  }
  const kinds = (folder: string) => eventsIn(folder).map(({ event }) => event);
  expect(kinds(shared)).toEqual(kinds(alone));
  const started = (folder: string) => eventsIn(folder).flatMap((event) => (event.event === "start" ? [event] : []));
  const rowsPerStep = 2 * batchSize;
  expect(started(shared)).toMatchObject([{ processes: 2, rowsPerStep }]);
  expect(started(alone)).toMatchObject([{ processes: 1, rowsPerStep }]);
  const rows = (folder: string) => readRows(join(folder, "validation-predictions.jsonl"));
  const evaluated = (folder: string) => rows(folder).map(({ prediction: _, loss: _loss, ...row }) => row);
  expect(evaluated(shared)).toEqual(evaluated(alone));
  for (const [at, { loss }] of rows(alone).entries())
    if (typeof loss === "number") expect(rows(shared)[at]!.loss).toBeCloseTo(loss, 4);
  expect(existsSync(join(shared, "metrics.json"))).toBe(true);
});
