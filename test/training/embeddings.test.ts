import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type RunSettings, resolveRun } from "../../src/tasks/config/index.js";
import * as torch from "../../src/torch/index.js";
import { compareEstimators } from "../../src/training/hypergradients/compareEstimators.js";
import { type Prepared, prepare, setupOf } from "../../src/training/run/prepare.js";
import { gradientsWithGraph, stepGradients } from "../../src/training/steps/stepGradients.js";
import { takeBatches } from "../../src/training/steps/takeBatches.js";
import { GOLDEN } from "../parity/goldenFiles.js";
import { inOrder } from "../parity/support/rows.js";

const MODEL = join(GOLDEN, "embeddings", "bert-mean");
const DROPOUT = join(GOLDEN, "bert", "dropout");
const rows = (name: string) => join(GOLDEN, "embeddings", `${name}.jsonl`);

function prepared(settings: RunSettings): Promise<Prepared> {
  const config = resolveRun({ model: MODEL, task: "embedding", seed: 3, batchSize: 6, rank: 2, ...settings });
  return prepare({ config, saved: undefined, adapterFolder: undefined }, undefined, "float64");
}

/** Loss and gradients of the first batch, with the run's dropout. */
async function firstStep(settings: RunSettings) {
  const run = await prepared(settings);
  const { model, task, masks, rows } = setupOf(run);
  const batches = takeBatches({ task, model, ranks: torch.ALONE }, inOrder(rows, 6), 1);
  const inputs = run.adapted.trained.map(({ tensor }) => tensor);
  const body = () =>
    stepGradients({ ranks: torch.ALONE, task, model, batches, context: () => masks.training() }, inputs);
  const mark = masks.mark();
  const cached = body();
  const recorded = masks.replay(mark, () =>
    gradientsWithGraph({ ranks: torch.ALONE, task, model, batches, context: () => masks.training() }, inputs),
  );
  return { cached, recorded };
}

test("mini-batches draw the same dropout masks in both passes, and where all are kept", async () => {
  const { cached, recorded } = await firstStep({
    ...{ model: DROPOUT, method: "lora", dropout: 0.2, miniBatchSize: 2 },
    train: rows("negatives"),
  });
  const flat = (tensors: readonly torch.Tensor[]) => tensors.flatMap((tensor) => tensor.toArray());
  const [a, b] = [flat(cached.gradients), flat(recorded)];
  expect(Math.max(...b.map(Math.abs))).toBeGreaterThan(1e-3);
  for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 10);
});

const CASES: Readonly<Record<string, RunSettings>> = {
  ranking: { train: rows("pairs") },
  "ranking with negatives, in mini-batches": { train: rows("negatives"), miniBatchSize: 2 },
  symmetric: { train: rows("triplets"), loss: "multiple-negatives-symmetric-ranking" },
  "cosent, in mini-batches": { train: rows("scored"), miniBatchSize: 2 },
  cosine: { train: rows("scored"), loss: "cosine", matryoshka: [24, 8] },
  triplet: { train: rows("triplets"), loss: "triplet" },
};

describe.each(Object.entries(CASES))("BiDoRA's hypergradient of the loss %s", (_name, settings) => {
  test("is the same by the tangents' rules and by double backward, and differences come close", async () => {
    const run = await prepared({
      ...settings,
      method: "bidora",
      batchSize: 3,
      searchFraction: 0.5,
      learningRate: 5e-3,
    });
    const { estimators, secondOrderShare } = await compareEstimators(setupOf(run), run.config, { mostProducts: 5 });
    const errors = Object.fromEntries(estimators.map(({ name, relativeError }) => [name, relativeError]));
    expect(secondOrderShare!).toBeGreaterThan(1e-6);
    expect(errors.exact).toBeLessThan(1e-9);
    expect(errors["finite-difference"]).toBeLessThan(secondOrderShare! * 1e-2);
    expect(errors["forward-difference"]).toBeLessThan(secondOrderShare! * 0.3);
  });
});
