// A search step by tangents against the same step by double backward, for every form of model, adapter and task.
import { describe, expect, test } from "vitest";
import { doraConfig, inject } from "../../src/adapters/index.js";
import type { RunSettings } from "../../src/config/index.js";
import { type EncodedRow, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ESTIMATORS, type HypergradientEstimator, reference } from "../../src/train/hypergradients/index.js";
import { ReplayableMasks } from "../../src/train/masks.js";
import { planSearch } from "../../src/train/plans.js";
import { takeSnapshot } from "../../src/train/trained.js";
import { openModel } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";

type Config = Parameters<typeof doraConfig>[0];

interface Form {
  readonly family: string;
  readonly checkpoint?: string;
  readonly adapter?: Config;
  readonly settings?: RunSettings;
  readonly dtype?: torch.DType;
}

/** The hypergradient of a third step, the directions being away from zero by then. */
async function hypergradient(form: Form, estimator: HypergradientEstimator): Promise<number[]> {
  const { family, checkpoint = "dropout", adapter, settings, dtype = "float64" } = form;
  const model = await openModel(family, checkpoint, dtype);
  const generator = new torch.Generator(1);
  const config = doraConfig({ rank: 3, alpha: 6, normGradient: "full", modulesToSave: ["classifier"], ...adapter });
  const trained = dtype === "bfloat16" ? "float32" : dtype;
  const adapted = inject(model, config, { generator, dtype: trained });
  const rows: readonly EncodedRow[] = await encodeRows(family, { checkpoint, rows: "train", maxLength: 20 });
  const masks = new ReplayableMasks(generator);
  const task = TASKS["sequence-classification"];
  const setup = { model, adapted, rows, task, masks, start: takeSnapshot(adapted.trained) };
  const run = planSettings({
    method: "bidora",
    batchSize: 3,
    learningRate: 2e-2,
    upperLearningRate: 2e-2,
    regularizer: 0.1,
    xi: 1,
    schedule: "constant",
    warmupRatio: 0,
    maxSteps: 9,
    ...settings,
  });
  const mover = planSearch(setup, { ...run, hypergradient: "first-order" }).begin();
  for (let i = 0; i < 3; i++) torch.scope(() => mover.step());
  const rule = planSearch(setup, run, undefined, estimator).begin();
  rule.restore(mover.save());
  const found = torch.scope(() => rule.descend().gradients.tensors.flatMap((tensor) => tensor.toArray()));
  expect(rule.lacking).toBeUndefined();
  return found;
}

const norm = (vector: readonly number[]) => Math.hypot(...vector);
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]!);

async function expectAgreement(form: Form, tolerance: number) {
  const first = await hypergradient(form, ESTIMATORS["first-order"]({ terms: 0 }));
  const expected = minus(await hypergradient(form, reference), first);
  const found = minus(await hypergradient(form, ESTIMATORS.exact({ terms: 0 })), first);
  expect(norm(expected)).toBeGreaterThan(1e-4 * norm(first));
  expect(norm(minus(found, expected)) / norm(expected)).toBeLessThan(tolerance);
}

describe.each([
  { family: "bert", checkpoint: "dropout" },
  { family: "roberta", checkpoint: "dropout" },
  { family: "distilbert", checkpoint: "dropout" },
  { family: "electra", checkpoint: "single" },
])("$family", (form) => {
  test.each([
    {},
    { axis: "in" },
    { normGradient: "detached" },
    { axis: "in", normGradient: "detached" },
    { dropout: 0.2 },
    { dropout: 0.2, axis: "in" },
  ] satisfies Config[])("with %o", (adapter) => expectAgreement({ ...form, adapter }, 1e-9));

  test.each([
    { unrollSteps: 2 },
    { gradientAccumulation: 2 },
    { xi: "learning-rate" },
    { xi: "optimizer" },
  ] satisfies RunSettings[])("with settings %o", (settings) => expectAgreement({ ...form, settings }, 1e-9));
});

test("in float32", () => expectAgreement({ family: "bert", dtype: "float32" }, 1e-4));
test("in bfloat16", () => expectAgreement({ family: "bert", dtype: "bfloat16" }, 0.1));
test("with embeddings adapted", () =>
  expectAgreement({ family: "bert", adapter: { targetModules: ["query", "word_embeddings"] } }, 1e-9));
