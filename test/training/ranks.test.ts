import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type RunSettings, resolveRun, upperOf } from "../../src/tasks/config/index.js";
import * as torch from "../../src/torch/index.js";
import { reference } from "../../src/training/hypergradients/estimators.js";
import { checkAgreement } from "../../src/training/loop/loop.js";
import { planPhases, planSearch } from "../../src/training/loop/plans.js";
import { type Prepared, prepare, setupOf } from "../../src/training/run/prepare.js";
import { restoreSnapshot } from "../../src/training/steps/trainedTensors.js";
import { GOLDEN } from "../parity/goldenFiles.js";
import { few } from "../support/few.js";
import { withSources } from "../support/sources.js";
import { together } from "./together.js";

const EMBEDDINGS = join(GOLDEN, "embeddings");
const sequence = {
  model: join(GOLDEN, "bert", "dropout"),
  task: "sequence-classification",
  train: join(GOLDEN, "rows", "train.jsonl"),
} as const;
const embedded = (rows: string) =>
  ({ model: join(EMBEDDINGS, "bert-mean"), task: "embedding", train: join(EMBEDDINGS, `${rows}.jsonl`) }) as const;

const ranked = {
  model: join(GOLDEN, "bert", "dropout"),
  task: "reranking",
  train: join(GOLDEN, "reranking", "lists.jsonl"),
} as const;

/** A run in float64. */
function prepared(settings: RunSettings): Promise<Prepared> {
  const config = resolveRun({ seed: 3, learningRate: 1e-2, batchSize: 2, rank: 2, maxSteps: 2, ...settings });
  return prepare({ config, saved: undefined, adapterFolder: undefined }, undefined, "float64");
}

/** What the first step of a phase does, with a batch of `batch` rows on `ranks`: its report, gradients and trained tensors. */
function firstStep(run: Prepared, batch: number, ranks: torch.Ranks) {
  const setup = { ...setupOf(run), ranks };
  const config = { ...run.config, batchSize: batch / ranks.size };
  restoreSnapshot(run.adapted.trained, run.start);
  const values = (tensors: readonly torch.Tensor[]) => tensors.flatMap((tensor) => tensor.toArray());
  return setup.masks.replay(setup.masks.mark(), () =>
    torch.scope(() => {
      if (upperOf(config) !== undefined) {
        const { report, gradients } = planSearch(setup, config).begin().descend();
        return { loss: report.loss, upperLoss: report.upperLoss, values: values(gradients.tensors) };
      }
      const { loss } = planPhases(setup, config)[0]!.begin().step();
      return { loss, values: values(run.adapted.trained.map(({ parameter }) => parameter.tensor)) };
    }),
  );
}

async function expectAlike(settings: RunSettings, size: number, batch: number, tolerance = 1e-9): Promise<void> {
  const run = await prepared(settings);
  const alone = firstStep(run, batch, torch.ALONE);
  const found = together(size, (ranks) => firstStep(run, batch, ranks));
  for (const other of found) {
    expect(other).toEqual(found[0]);
    expect(other.loss).toBeCloseTo(alone.loss, 10);
    if (alone.upperLoss !== undefined) expect(other.upperLoss).toBeCloseTo(alone.upperLoss, 10);
    const scale = Math.max(...alone.values.map(Math.abs));
    const worst = Math.max(...alone.values.map((value, i) => Math.abs(value - other.values[i]!)));
    expect(scale).toBeGreaterThan(0);
    expect(worst / scale).toBeLessThan(tolerance);
  }
}

// A plain method's values are those after a step of SGD, which is linear in the gradients.
const plain = { optimizer: "sgd", warmupRatio: 0, learningRate: 0.1 } as const;
const PLAIN: Readonly<Record<string, RunSettings>> = {
  "lora with dropout": { ...sequence, ...plain, method: "lora", dropout: 0.2 },
  "clipped, accumulated": { ...sequence, ...plain, method: "lora", maxGradNorm: 0.01, gradientAccumulation: 2 },
  "AdaLoRA's penalty": { ...sequence, ...plain, method: "adalora", adaloraOrthogonalWeight: 0.5 },
  "all weights": { ...sequence, ...plain, method: "full" },
  "relative positions with dropout": {
    ...{ ...sequence, ...plain, model: join(GOLDEN, "deberta-v2", "dropout"), method: "lora", dropout: 0.2 },
    targetModules: "all-linear",
  },
  tokens: {
    ...{ ...plain, model: join(GOLDEN, "bert", "tokens"), task: "token-classification", method: "lora" },
    train: join(GOLDEN, "rows", "tokens.jsonl"),
  },
  ranking: { ...embedded("pairs"), ...plain, method: "lora" },
  "ranking with negatives, in mini-batches": { ...embedded("negatives"), ...plain, method: "lora", miniBatchSize: 1 },
  "symmetric ranking": {
    ...{ ...embedded("triplets"), ...plain, method: "lora", loss: "multiple-negatives-symmetric-ranking" },
  },
  cosent: { ...embedded("scored"), ...plain, method: "lora", matryoshka: [24, 8] },
  cosine: { ...embedded("scored"), ...plain, method: "lora", loss: "cosine" },
  triplet: { ...embedded("triplets"), ...plain, method: "lora", loss: "triplet" },
  listwise: { ...ranked, ...plain, method: "lora", dropout: 0.2 },
  "documents of lists, accumulated": {
    ...{ ...ranked, ...plain, method: "lora", loss: "binary-cross-entropy", gradientAccumulation: 2 },
  },
};

describe.each(few(Object.entries(PLAIN), 5))("%s", (_name, settings) => {
  test.each([2, 3])("a step of %i ranks is that of one process", (size) => expectAlike(settings, size, 6));
});

test("ranks without rows take part", async () => {
  await expectAlike({ ...PLAIN["relative positions with dropout"] }, 4, 2);
  await expectAlike({ ...sequence, ...plain, method: "adalora", adaloraOrthogonalWeight: 0.5 }, 4, 2);
  await expectAlike({ ...embedded("negatives"), ...plain, method: "lora" }, 4, 2);
});

// without a warm-up, whose first step has the learning rate 0, and so no second term
const bidora = { method: "bidora", searchFraction: 0.5, warmupRatio: 0 } as const;
const scales = { ...sequence, method: "dora", upper: "scales" } as const;
const sources = { method: "lora", upper: "sources", sourceColumn: "from" } as const;
const sourced = (settings: typeof sequence | typeof ranked | ReturnType<typeof embedded>) =>
  ({ ...settings, ...sources, train: withSources(settings.train, ["a", "b"]) }) as const;
const SEARCHES: Readonly<Record<string, RunSettings>> = {
  exact: { ...sequence, hypergradient: "exact", regularizer: 0.1, dropout: 0.1 },
  "finite differences": { ...sequence, hypergradient: "finite-difference", regularizer: 0.1 },
  "forward differences": { ...sequence, hypergradient: "forward-difference" },
  neumann: { ...sequence, hypergradient: "neumann", hypergradientTerms: 3, regularizer: 0.1 },
  cg: { ...sequence, hypergradient: "cg", hypergradientTerms: 2, regularizer: 0.1 },
  "first order": { ...sequence, hypergradient: "first-order" },
  "exact, unrolled, accumulated": { ...sequence, unrollSteps: 2, gradientAccumulation: 2, xi: "optimizer" },
  "exact, scales, accumulated": { ...scales, gradientAccumulation: 2, dropout: 0.1 },
  "finite differences, scales": { ...scales, hypergradient: "finite-difference" },
  "exact, sources, accumulated": { ...sourced(sequence), gradientAccumulation: 2, dropout: 0.1 },
  "exact, sources, ranking": { ...sourced(embedded("negatives")), searchFraction: 0.7 },
  "forward differences, sources, ranking in mini-batches": {
    ...{
      ...sourced(embedded("negatives")),
      searchFraction: 0.7,
      hypergradient: "forward-difference",
      miniBatchSize: 1,
    },
  },
  "neumann, sources": { ...sourced(sequence), hypergradient: "neumann", hypergradientTerms: 3 },
  "exact, listwise": { ...ranked, hypergradient: "exact", dropout: 0.1 },
  "cg, listwise, accumulated": { ...ranked, hypergradient: "cg", hypergradientTerms: 2, gradientAccumulation: 2 },
  "exact, sources, documents of lists": { ...sourced(ranked), loss: "binary-cross-entropy" },
  "exact, ranking": { ...embedded("negatives"), hypergradient: "exact" },
  "exact, ranking, in mini-batches": { ...embedded("negatives"), hypergradient: "exact", miniBatchSize: 1 },
  "finite differences, symmetric ranking": {
    ...{ ...embedded("triplets"), loss: "multiple-negatives-symmetric-ranking", hypergradient: "finite-difference" },
  },
  "neumann, ranking": { ...embedded("pairs"), hypergradient: "neumann", hypergradientTerms: 3 },
  "cg, cosent": { ...embedded("scored"), hypergradient: "cg", hypergradientTerms: 2, gradientAccumulation: 2 },
};

describe.each(few(Object.entries(SEARCHES), 4))("a hypergradient, %s", (name, settings) => {
  // differences of float64 lose half of its digits
  const tolerance = /differences/.test(name) ? 1e-5 : 1e-8;
  test.each([2, 4])("of %i ranks is that of one process", (size) =>
    expectAlike({ ...bidora, ...settings }, size, size === 2 ? 2 : 3, tolerance),
  );
});

test.each([2, 4])("the hypergradient of weight decays of %i ranks is that of one process", (size) =>
  expectAlike(
    { ...sequence, method: "lora", upper: "decay", unrollSteps: 2, gradientAccumulation: 2, dropout: 0.1 },
    size,
    4,
  ),
);

test("an operator without a tangent is refused where rows of all ranks are compared", async () => {
  const run = await prepared({ ...bidora, ...embedded("negatives"), hypergradient: "exact" });
  const config = { ...run.config, batchSize: 1 };
  expect(() =>
    together(2, (ranks) =>
      planSearch({ ...setupOf(run), ranks }, config, reference)
        .begin()
        .descend(),
    ),
  ).toThrow(/^The loss compares the rows of all ranks, [^\n]+ or a single process\.$/);
});

test("ranks whose trained tensors differ in a bit end, all with the same error", async () => {
  const run = await prepared({ ...sequence, method: "lora" });
  const { trained } = run.adapted;
  const check = (change: (ranks: torch.Ranks) => number) =>
    together(3, (ranks) =>
      torch.scope(() => {
        restoreSnapshot(trained, run.start);
        const { tensor } = trained[0]!;
        torch.noGrad(() => torch.mulScalar_(tensor, change(ranks)));
        checkAgreement(ranks, trained);
      }),
    );
  check(() => 1);
  expect(() => check(({ rank }) => (rank === 2 ? 1 + 2 ** -50 : 1))).toThrow(
    /^Rank 2 no longer has the same trained tensors as rank 0: [^\n]+\.$/,
  );
});
