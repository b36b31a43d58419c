// A search step by tangents against the same step by double backward, for every form of model, adapter and task.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../../src/formats/checkpoint.js";
import {
  ADAPTER_METHODS,
  type AdapterConfig,
  type AdapterMethod,
  doraConfig,
  inject,
} from "../../../src/models/adapters/index.js";
import type { TaskModel } from "../../../src/models/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { LabelMap } from "../../../src/tasks/data/index.js";
import { readExamples } from "../../../src/tasks/datasets/index.js";
import {
  type EncodedExample,
  encodeExamples,
  inferTask,
  TASKS,
  type Task,
  type TaskKind,
} from "../../../src/tasks/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import * as torch from "../../../src/torch/index.js";
import { isTwiceDifferentiable } from "../../../src/torch/operators/choose.js";
import { ESTIMATORS, type HypergradientEstimator, reference } from "../../../src/training/hypergradients/estimators.js";
import { ReplayableMasks } from "../../../src/training/loop/masks.js";
import { planSearch } from "../../../src/training/loop/plans.js";
import { restoreSnapshot, takeSnapshot } from "../../../src/training/steps/trainedTensors.js";
import { GOLDEN } from "../../parity/goldenFiles.js";
import { openModel } from "../../parity/support/adapted.js";
import { planSettings } from "../../parity/support/phases.js";
import { encodeLanguageRows, encodeRows } from "../../parity/support/rows.js";
import { few } from "../../support/few.js";

type Config = Parameters<typeof doraConfig>[0];
type MethodName = keyof typeof ADAPTER_METHODS;

interface Form {
  /** By default `bidora`. */
  readonly method?: MethodName;
  readonly family: string;
  readonly checkpoint?: string;
  readonly adapter?: Config;
  readonly settings?: RunSettings;
  readonly dtype?: torch.DType;
  readonly kind?: TaskKind;
  /** The model's outputs are doubled in place, which has no tangent. */
  readonly isWrittenTo?: boolean;
}

const configOf = (method: MethodName | undefined, options: NonNullable<Config>): AdapterConfig =>
  method
    ? (ADAPTER_METHODS[method] as AdapterMethod).config(options)
    : doraConfig({ alpha: 6, normGradient: "full", ...options });

/** A search after its first three steps, when the directions are no longer zero. */
async function prepare(form: Form) {
  const {
    family,
    checkpoint = "dropout",
    adapter,
    settings,
    dtype = "float64",
    kind = "sequence-classification",
    method,
  } = form;
  const model = await openModel(family, checkpoint, dtype);
  const generator = new torch.Generator(1);
  const config = configOf(method, { rank: 3, modulesToSave: ["classifier"], ...adapter });
  const trained = dtype === "bfloat16" ? "float32" : dtype;
  const adapted = inject(model, config, { generator, dtype: trained });
  const rows = await rowsFor(family, checkpoint, kind);
  const masks = new ReplayableMasks(generator);
  const task: Task = TASKS[kind];
  const used = form.isWrittenTo ? doubledInPlace(model) : model;
  const setup = { model: used, adapted, rows, task, masks, ranks: torch.ALONE, start: takeSnapshot(adapted.trained) };
  const run = planSettings({
    ...(method ? { method } : { method: "bidora", regularizer: 0.1 }),
    batchSize: 3,
    learningRate: 2e-2,
    upperLearningRate: 2e-2,
    xi: 1,
    schedule: "constant",
    warmupRatio: 0,
    maxSteps: 9,
    ...settings,
  });
  const mover = planSearch(setup, { ...run, hypergradient: "first-order" }).begin();
  for (let i = 0; i < 3; i++) torch.scope(() => mover.step());
  const { tensors, values } = mover.save();
  const saved = { values, tensors: copyOf(tensors), trained: takeSnapshot(adapted.trained), generator: masks.mark() };
  return { form, setup, run, saved };
}

type Search = Awaited<ReturnType<typeof prepare>>;

/** The same search, with layers that are recomputed in the backward pass: the tape has each as one call. */
const checkpointed = ({ setup, ...search }: Search): Search => ({
  ...search,
  setup: { ...setup, masks: new ReplayableMasks(setup.masks.generator, { gradientCheckpointing: true }) },
});

const copyOf = (tensors: ReadonlyMap<string, torch.Tensor>) =>
  new Map([...tensors].map(([name, tensor]) => [name, torch.clone(tensor)]));

/** The hypergradient of the fourth step by an estimator. */
function hypergradient(search: Search, estimator: HypergradientEstimator): number[] {
  const { form, setup, run, saved } = search;
  restoreSnapshot(setup.adapted.trained, saved.trained);
  setup.masks.generator.setState(saved.generator);
  const rule = planSearch(setup, run, estimator).begin();
  rule.restore({ values: saved.values, tensors: copyOf(saved.tensors) });
  const { report, gradients } = torch.scope(() => {
    const { report, gradients } = rule.descend();
    return { report, gradients: gradients.tensors.flatMap((tensor) => tensor.toArray()) };
  });
  const isLacking = form.isWrittenTo && estimator.secondDerivatives !== undefined && !estimator.byDoubleBackward;
  expect(rule.operatorWithoutTangent).toBe(isLacking ? "aten::mul_.Scalar" : undefined);
  expect(report.note?.includes("aten::mul_.Scalar has neither a tangent nor a second derivative") ?? false).toBe(
    isLacking ?? false,
  );
  expect(torch.scope(() => rule.descend().report.note)).toBeUndefined();
  return gradients;
}

function doubledInPlace(model: TaskModel): TaskModel {
  const forward: TaskModel["forward"] = (input, context) => {
    const outputs = model.forward(input, context);
    return isTwiceDifferentiable() ? torch.mulScalar(outputs, 2) : torch.mulScalar_(outputs, 2);
  };
  return Object.create(model, { forward: { value: forward }, device: { value: model.device } });
}

function rowsFor(family: string, checkpoint: string, kind: TaskKind): Promise<EncodedExample[]> {
  if (kind === "causal-lm") return encodeLanguageRows(family, { rows: "train", maxLength: 20 });
  if (kind !== "sequence-classification") return taskRows(family, checkpoint, kind);
  return encodeRows(family, { checkpoint, rows: "train", maxLength: 20 });
}

/** The golden rows of a task. */
async function taskRows(family: string, checkpoint: string, kind: TaskKind): Promise<EncodedExample[]> {
  const folder = join(GOLDEN, family, checkpoint);
  const task: Task = TASKS[kind];
  const labels = new LabelMap(inferTask(readConfig(folder))!.labels);
  const { examples } = await readExamples(task, join(GOLDEN, "rows", `${checkpoint}.jsonl`), {});
  return encodeExamples(task, examples, await loadTokenizer(folder), { labels, maxLength: 30 });
}

const norm = (vector: readonly number[]) => Math.hypot(...vector);
const minus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value - b[i]!);

async function expectAgreement(form: Form, tolerance: number) {
  const search = await prepare(form);
  expectFound(search, secondTerm(search), tolerance);
}

/** Also with layers that are recomputed: their search is the same one. */
async function expectBothAgree(form: Form, tolerance: number) {
  const search = await prepare(form);
  const expected = secondTerm(search);
  expectFound(search, expected, tolerance);
  expectFound(checkpointed(search), expected, tolerance);
}

/** What the exact hypergradient adds to the first-order one, by double backward. */
function secondTerm(search: Search): { readonly first: number[]; readonly added: number[] } {
  const first = hypergradient(search, ESTIMATORS["first-order"]({ terms: 0 }));
  const added = minus(hypergradient(search, reference), first);
  expect(norm(added)).toBeGreaterThan(1e-4 * norm(first));
  return { first, added };
}

function expectFound(search: Search, { first, added }: ReturnType<typeof secondTerm>, tolerance: number) {
  const found = minus(hypergradient(search, ESTIMATORS.exact({ terms: 0 })), first);
  expect(norm(minus(found, added)) / norm(added)).toBeLessThan(tolerance);
}

describe("bert", () => {
  const form: Form = { family: "bert", checkpoint: "dropout" };
  test.each([
    {},
    { axis: "in" },
    { normGradient: "detached" },
    { axis: "in", normGradient: "detached" },
    { dropout: 0.2 },
    { dropout: 0.2, axis: "in" },
    { bias: "all" },
  ] satisfies Config[])("with %o", (adapter) => expectBothAgree({ ...form, adapter }, 1e-9));

  test("by double backward, layers that would be recomputed give the same", async () => {
    const search = await prepare(form);
    const [{ added }, recomputed] = [secondTerm(search), secondTerm(checkpointed(search))];
    expect(norm(minus(recomputed.added, added)) / norm(added)).toBeLessThan(1e-9);
  });

  test.each([
    { unrollSteps: 2 },
    { gradientAccumulation: 2 },
    { xi: "learning-rate" },
    { xi: "optimizer" },
  ] satisfies RunSettings[])("with settings %o", (settings) => expectAgreement({ ...form, settings }, 1e-9));
});

describe.each([
  ["miss", { dropout: 0.2, targetModules: ["query", "output.dense"] }],
  ["delora", { dropout: 0.2, targetModules: ["query", "intermediate.dense"] }],
  ["hira", { dropout: 0.2, targetModules: ["query", "intermediate.dense"] }],
  ["hira", { targetModules: ["word_embeddings", "value"] }],
] satisfies [MethodName, Config][])("%s with %o", (method, adapter) => {
  const form: Form = { family: "bert", checkpoint: "dropout", method, adapter };
  test("as the lower level of the head", () => expectBothAgree({ ...form, settings: { upper: "head" } }, 1e-9));
  test.runIf(method === "delora")("with λ as the upper level", () =>
    expectBothAgree({ ...form, settings: { upper: "delora", xi: "optimizer" } }, 1e-9),
  );
});

describe.each(
  few(
    [
      { family: "roberta", checkpoint: "dropout" },
      { family: "distilbert", checkpoint: "dropout" },
      { family: "electra", checkpoint: "single" },
    ],
    2,
  ),
)("$family, which has BERT's layers", (form) => {
  test.each([{}, { dropout: 0.2, axis: "in" }, { bias: "all" }] satisfies Config[])("with %o", (adapter) =>
    expectBothAgree({ ...form, adapter }, 1e-9),
  );
});

test.each<Form>(
  few<Form>(
    [
      {
        family: "deberta-v2",
        checkpoint: "dropout",
        adapter: { targetModules: ["query_proj", "key_proj"], dropout: 0.2 },
      },
      { family: "deberta-v2-xlarge", checkpoint: "single", adapter: { targetModules: ["query_proj", "pos_key_proj"] } },
      { family: "esm", checkpoint: "dropout", adapter: { dropout: 0.2 } },
      { family: "esm", checkpoint: "dropout", adapter: { targetModules: "all-linear" } },
      { family: "modernbert", checkpoint: "dropout", adapter: { targetModules: ["Wqkv", "Wi"], dropout: 0.2 } },
      { family: "modernbert-mean", checkpoint: "single", adapter: { targetModules: ["Wqkv", "Wo"] } },
      { family: "mpnet", checkpoint: "dropout", adapter: { targetModules: ["q", "v", "o"], dropout: 0.2 } },
      { family: "mpnet", checkpoint: "single", adapter: { targetModules: ["k"], bias: "all" } },
    ],
    4,
  ),
)("$family: layers of other kinds", (form) => expectBothAgree(form, 1e-9));

test.each<Form>(
  few<Form>(
    [
      { family: "gpt2", checkpoint: "dropout", adapter: { targetModules: ["c_attn", "c_fc"], dropout: 0.2 } },
      { family: "llama", checkpoint: "dropout", adapter: { targetModules: ["q_proj", "up_proj"], dropout: 0.2 } },
      { family: "mistral", checkpoint: "single", adapter: { targetModules: ["v_proj", "gate_proj"], dropout: 0.2 } },
      { family: "qwen3", checkpoint: "single", adapter: { targetModules: ["k_proj", "down_proj"] } },
      { family: "smollm3", checkpoint: "single", adapter: { targetModules: ["k_proj", "down_proj"] } },
      { family: "phi3", checkpoint: "single", adapter: { targetModules: ["qkv_proj", "gate_up_proj"] } },
      { family: "gemma3_text", checkpoint: "single", adapter: { targetModules: ["q_proj", "o_proj"] } },
      { family: "llama", checkpoint: "lm", kind: "causal-lm", adapter: { targetModules: ["q_proj", "up_proj"] } },
      { family: "gpt2", checkpoint: "lm", kind: "causal-lm", adapter: { targetModules: ["c_attn"] } },
    ],
    4,
  ),
)("$family $checkpoint: a decoder", ({ adapter, ...form }) => {
  const modulesToSave = form.kind === "causal-lm" ? [] : ["score"];
  return expectBothAgree({ ...form, adapter: { ...adapter, modulesToSave } }, 1e-9);
});

test("in float32", () => expectAgreement({ family: "bert", dtype: "float32" }, 1e-4));
test("in bfloat16", () => expectAgreement({ family: "bert", dtype: "bfloat16" }, 0.1));
test("with embeddings adapted", () =>
  expectAgreement({ family: "bert", adapter: { targetModules: ["query", "word_embeddings"] } }, 1e-9));

test.each([
  { kind: "token-classification", checkpoint: "tokens" },
  { kind: "regression", checkpoint: "regression" },
  { kind: "multi-label-classification", checkpoint: "multi" },
  { kind: "question-answering", checkpoint: "questions" },
] as const)("the task $kind", ({ kind, checkpoint }) => {
  const modulesToSave = kind === "question-answering" ? ["qa_outputs"] : ["classifier"];
  return expectAgreement({ family: "bert", checkpoint, kind, adapter: { modulesToSave } }, 1e-9);
});

test("a step with an operator without a tangent is differentiated twice, and the log says so once", () =>
  expectAgreement({ family: "bert", isWrittenTo: true }, 1e-12));

test.each(["neumann", "cg"] as const)("%s falls back to differentiating twice as well", async (name) => {
  const form: Form = { family: "bert" };
  const estimator = ESTIMATORS[name]({ terms: 3 });
  const byDoubleBackward = { ...estimator, byDoubleBackward: true };
  const errorOf = (found: readonly number[], expected: readonly number[]) =>
    norm(minus(found, expected)) / norm(expected);
  const plain = await prepare(form);
  const expected = hypergradient(plain, byDoubleBackward);
  expect(errorOf(hypergradient(plain, estimator), expected)).toBeLessThan(1e-9);
  const embeddings = await prepare({ ...form, adapter: { targetModules: ["word_embeddings"] } });
  expect(errorOf(hypergradient(embeddings, estimator), hypergradient(embeddings, byDoubleBackward))).toBeLessThan(1e-9);
  expect(errorOf(hypergradient(checkpointed(plain), estimator), expected)).toBeLessThan(1e-9);
  const lacking = await prepare({ ...form, isWrittenTo: true });
  expect(errorOf(hypergradient(lacking, estimator), hypergradient(lacking, byDoubleBackward))).toBeLessThan(1e-12);
});
