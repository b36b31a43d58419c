// Gradients of a loss whose rows are weighted by their sources.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { batchOf } from "../../src/tasks/batch.js";
import { type RunSettings, resolveRun } from "../../src/tasks/config/index.js";
import { Sources } from "../../src/tasks/data/sources.js";
import { lossSum } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { compareEstimators } from "../../src/training/hypergradients/compareEstimators.js";
import { type Prepared, prepare, setupOf } from "../../src/training/run/prepare.js";
import { gradientsOf } from "../../src/training/steps/batchGradients.js";
import { SourceWeights } from "../../src/training/steps/sourceWeights.js";
import { gradientsWithGraph, stepGradients } from "../../src/training/steps/stepGradients.js";
import { takeBatches } from "../../src/training/steps/takeBatches.js";
import { GOLDEN } from "../parity/goldenFiles.js";
import { inOrder } from "../parity/support/rows.js";
import { withSources } from "../support/sources.js";

const rows = (name: string) => withSources(join(GOLDEN, "embeddings", `${name}.jsonl`));
const embedded = { model: join(GOLDEN, "embeddings", "bert-mean"), task: "embedding" } as const;
const sequence = {
  model: join(GOLDEN, "bert", "single"),
  task: "sequence-classification",
  train: withSources(join(GOLDEN, "rows", "train.jsonl")),
} as const;

function prepared(settings: RunSettings): Promise<Prepared> {
  const own = { method: "lora", upper: "sources", sourceColumn: "from", seed: 3, batchSize: 6, rank: 2 } as const;
  return prepare(
    { config: resolveRun({ ...own, ...settings }), saved: undefined, adapterFolder: undefined },
    undefined,
    "float64",
  );
}

/** The first batch's objective, with logits that are not equal, and the tensors to differentiate by: the logits come last. */
async function firstBatch(settings: RunSettings) {
  const run = await prepared(settings);
  const { model, task, masks, rows: all } = setupOf(run);
  const batches = takeBatches({ task, model, ranks: torch.ALONE }, inOrder(all, 6), 1);
  const { sourceWeights, upper, lower } = run.levels!;
  const [logits] = upper;
  torch.noGrad(() => torch.copy_(logits!.tensor, torch.tensor([0.4, -0.7], [2], "float64")));
  const inputs = [...lower, logits!].map(({ tensor }) => tensor);
  const context = () => masks.training();
  const objective = { ranks: torch.ALONE, task, model, batches, context, sourceWeights: sourceWeights! };
  return { objective, inputs, masks };
}

const flat = (tensors: readonly torch.Tensor[]) => tensors.flatMap((tensor) => tensor.toArray());

describe.each(["negatives", "triplets"])("the ranking loss of %s in mini-batches", (name) => {
  test("has the gradients for the trained tensors and for the logits that the whole batch has", async () => {
    const dropout = { model: join(GOLDEN, "bert", "dropout"), dropout: 0.2 };
    const { objective, inputs, masks } = await firstBatch({
      ...{ ...embedded, ...dropout, train: rows(name), miniBatchSize: 2 },
    });
    const mark = masks.mark();
    const cached = stepGradients(objective, inputs);
    const recorded = masks.replay(mark, () => gradientsWithGraph(objective, inputs));
    const [a, b] = [flat(cached.gradients), flat(recorded)];
    expect(Math.min(...b.slice(-2).map(Math.abs))).toBeGreaterThan(1e-3);
    for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 10);
  });
});

test("each row counts S·w of its source, or 1 without a source, over the rows of the batch", async () => {
  const { objective, inputs } = await firstBatch(sequence);
  const { task, model, batches, context } = objective;
  const { whole } = batches.shares[0]!;
  const { file, byLine } = objective.sourceWeights.sources;
  const others = [...byLine].filter(([line]) => line !== whole[0]!.at.line);
  const sourceWeights = new SourceWeights(new Sources(file, new Map(others)), "float64", "cpu");
  torch.noGrad(() => torch.copy_(sourceWeights.logits.tensor, torch.tensor([0.4, -0.7], [2], "float64")));
  const { loss, gradients } = stepGradients({ ...objective, sourceWeights }, inputs.slice(0, -1));
  const w = [0.4, -0.7].map((a) => Math.exp(a) / (Math.exp(0.4) + Math.exp(-0.7)));
  const factors = whole.map(({ at }) => {
    const source = sourceWeights.sources.indexOf(at);
    return source === undefined ? 1 : 2 * w[source]!;
  });
  expect(new Set(factors).size).toBe(3);
  const each = whole.map((row) => lossSum(task, model, batchOf([row], "cpu"), context()));
  const terms = each.map((term, i) => torch.mulScalar(term, factors[i]! / each.length));
  const weighted = terms.reduce((sum, term) => torch.add(sum, term));
  expect(loss).toBeCloseTo(weighted.item(), 10);
  const wanted = flat(gradientsOf(weighted, inputs.slice(0, -1)));
  for (const [i, value] of flat(gradients).entries()) expect(value).toBeCloseTo(wanted[i]!, 10);
});

const CASES: Readonly<Record<string, RunSettings>> = {
  "sequence classification": sequence,
  "ranking, in mini-batches": { ...embedded, train: rows("negatives"), miniBatchSize: 1 },
  "symmetric ranking": { ...embedded, train: rows("triplets"), loss: "multiple-negatives-symmetric-ranking" },
};

describe.each(Object.entries(CASES))("the hypergradient of source weights, %s", (_name, settings) => {
  test("is that of double backward, and differences come close", async () => {
    const run = await prepared({ ...settings, batchSize: 4, searchFraction: 0.7, learningRate: 5e-3, shuffle: false });
    const { estimators } = await compareEstimators(setupOf(run), run.config, { mostProducts: 5 });
    const errors = Object.fromEntries(estimators.map(({ name, relativeError }) => [name, relativeError]));
    expect(errors.exact).toBeLessThan(1e-9);
    expect(errors["finite-difference"]).toBeLessThan(1e-2);
    expect(errors["forward-difference"]).toBeLessThan(0.3);
    expect(errors["first-order"]).toBeUndefined();
  });
});
