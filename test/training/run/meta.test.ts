// Whole runs on the meta device: model, adapter, data and phases as commands make them, then a step, an evaluation, and generated texts.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateTokens } from "../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import { type RunSettings, resolveRun } from "../../../src/tasks/config/index.js";
import type { EncodedExample, TaskKind } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import { OPTIMIZERS, type OptimizerName } from "../../../src/torch/optim/index.js";
import { plansOf, prepare } from "../../../src/training/run/prepare.js";
import { predictRows } from "../../../src/use/evaluation/predictRows.js";
import { BERT, GOLDEN, jsonl, ROWS, SMALL } from "../../e2e/support.js";
import { MetaGuard } from "../../torch/metaGuard.js";

let guard: MetaGuard;
beforeAll(() => {
  guard = new MetaGuard();
});
afterAll(() => guard.release());

const LANGUAGE = join(GOLDEN, "llama", "lm");

const RANKED = jsonl(
  { query: "a small boat", positive: "the small boat", negatives: ["seven gardens", "a boat grows"] },
  { query: "quiet", positive: "a quiet garden", negatives: ["the small boat"] },
);

/** A model and rows for each task. */
const TASKS: Readonly<Record<TaskKind, readonly [model: string, rows: string]>> = {
  "sequence-classification": [join(BERT, "single"), join(ROWS, "train.jsonl")],
  "multi-label-classification": [join(BERT, "multi"), join(ROWS, "multi.jsonl")],
  regression: [join(BERT, "regression"), join(ROWS, "regression.jsonl")],
  "token-classification": [join(BERT, "tokens"), join(ROWS, "tokens.jsonl")],
  "question-answering": [join(BERT, "questions"), join(ROWS, "questions.jsonl")],
  "causal-lm": [LANGUAGE, jsonl({ text: "the small boat" }, { text: "a quiet garden grows" }, { text: "seven" })],
  preference: [
    LANGUAGE,
    jsonl(
      { prompt: "the small", chosen: " boat", rejected: " quiet garden" },
      { prompt: "a quiet garden", chosen: " grows", rejected: " the boat" },
      { prompt: "seven", chosen: " boat grows", rejected: " a" },
    ),
  ],
  reward: [
    join(BERT, "regression"),
    jsonl({ prompt: "a", chosen: " boat", rejected: " quiet" }, { chosen: "small boat", rejected: "a", margin: 0.5 }),
  ],
  embedding: [join(GOLDEN, "embeddings", "bert-mean"), join(GOLDEN, "embeddings", "negatives.jsonl")],
  reranking: [join(BERT, "regression"), RANKED],
};

/** A prepared run on the meta device; `device` is no setting for users there. */
async function prepared(settings: RunSettings) {
  const config = { ...resolveRun({ ...SMALL, dtype: "float32", ...settings }), device: "meta" };
  const made = await prepare({ config, saved: undefined, adapterFolder: undefined });
  expect(made.loaded.model.device).toBe("meta");
  return made;
}

/** Does the first steps of all phases. @returns how often the last step read values of a tensor */
async function readsOfSteps(settings: RunSettings): Promise<number> {
  let reads = 0;
  for (const plan of plansOf(await prepared({ maxSteps: 2, ...settings }))) {
    const rule = plan.begin();
    torch.scope(() => rule.step()); // also makes what the model keeps, such as frequencies
    reads = await guard.onMetaAlone(() => torch.scope(() => rule.step()));
  }
  return reads;
}

const settingsOf = (task: TaskKind): RunSettings => ({ task, model: TASKS[task][0], train: TASKS[task][1] });

describe.each(Object.keys(TASKS) as TaskKind[])("the task %s", (kind) => {
  test("is trained by BiDoRA, in both phases", async () => {
    await readsOfSteps({ ...settingsOf(kind), method: "bidora" });
  });

  test("is evaluated", async () => {
    const { loaded, choice, labels, data } = await prepared(settingsOf(kind));
    const rows: readonly EncodedExample[] = data.train.slice(0, 5);
    const evaluate = async () => {
      const found = [];
      const options = { task: choice.task, labels, batchSize: 2 };
      for await (const { prediction } of predictRows(loaded.model, rows, options)) found.push(prediction);
      expect(found).not.toHaveLength(0);
    };
    await evaluate();
    await guard.onMetaAlone(evaluate);
  });
});

test.each([
  ["cosine", "scored"],
  ["cosent", "scored"],
  ["multiple-negatives-ranking", "pairs"],
  ["multiple-negatives-symmetric-ranking", "pairs"],
  ["triplet", "triplets"],
] as const)("an embedding model is trained with the loss %s", async (loss, rows) => {
  await readsOfSteps({ ...settingsOf("embedding"), loss, train: join(GOLDEN, "embeddings", `${rows}.jsonl`) });
});

test.each(Object.keys(OPTIMIZERS) as OptimizerName[])("the optimizer %s steps with clipped gradients", async (name) => {
  await readsOfSteps({ method: "lora", optimizer: name, maxGradNorm: 1 });
});

test.each([
  ["greedily, with a cache", GREEDY, true],
  ["greedily, without a cache", GREEDY, false],
  ["by beam search", { ...GREEDY, beams: { count: 2, lengthPenalty: 1, earlyStopping: false } }, true],
] as const)("texts are generated %s", async (_, settings, cache) => {
  const { loaded } = await prepared(settingsOf("causal-lm"));
  const prompts = [[5, 6, 7], [8]].map((ids) => ({ ids, maxNewTokens: 3, uniform: () => 0.5 }));
  const generate = async () => {
    const tokens = [0, 0];
    for await (const next of generateTokens(loaded.model, prompts, settings, { cache }))
      tokens[next.prompt]! += next.tokens.length;
    expect(tokens).toEqual([3, 3]);
  };
  await generate();
  await guard.onMetaAlone(generate);
});

describe("a step waits for the device, by reading a value from it,", () => {
  /** The loss and the norm of the gradients, at its end. */
  const AT_END = 2;
  const layers = async () => (await prepared({ method: "dora" })).adapted.modules.length;

  test.each(["lora", "vera", "bitfit", "full"] as const)("only at its end with %s", async (method) => {
    expect(await readsOfSteps({ method })).toBe(AT_END);
    expect(await readsOfSteps({ method, maxGradNorm: 1 })).toBe(AT_END);
  });

  test("and for each layer's norm with DoRA", async () => {
    expect(await readsOfSteps({ method: "dora" })).toBe(AT_END + (await layers()));
  });

  test("and once for the regularizer of all layers with BiDoRA", async () => {
    expect(await readsOfSteps({ method: "bidora", retrainSteps: 2 })).toBe(AT_END + (await layers()) + 1);
    expect(await readsOfSteps({ method: "bidora", retrainSteps: 2, regularizer: 0 })).toBe(AT_END + (await layers()));
  });
});
