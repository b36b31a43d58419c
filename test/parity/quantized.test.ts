// Models whose matrices are held in quantized blocks against dense models of the same values.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  type AdapterConfig,
  type AdapterMethodName,
  inject,
  loraConfig,
  merge,
  mergedWeight,
  toLora,
  trainEverything,
} from "../../src/models/adapters/index.js";
import { type LoadModelOptions, modelInput, type TaskModel } from "../../src/models/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import { METHODS, type Method, methodNames, type RunSettings } from "../../src/tasks/config/index.js";
import type { TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { withFormulas } from "../../src/torch/operators/choose.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { perturb } from "../models/adapters/smallModel.js";
import { few } from "../support/few.js";
import { expectSameBits } from "../torch/sameBits.js";
import { expectClose, families, GOLDEN } from "./goldenFiles.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";
import { twins, wideFolder } from "./support/wide.js";

const folder = temporaryFolders();

/** With trained tensors away from their starting values, but magnitudes. */
function adapt(model: TaskModel, method: Method, settings: object, dtype: torch.DType): AdaptedModel<AdapterConfig> {
  const { config } = ADAPTER_METHODS[METHODS[method].adapter as AdapterMethodName];
  const all = { targetModules: "all-linear", rank: 3, modulesToSave: ["classifier", "score"], ...settings };
  const adapted = inject(model, config(all as never) as AdapterConfig, { generator: new torch.Generator(1), dtype });
  perturb(adapted.trained.filter(({ role }) => role === "direction").map(({ tensor }) => tensor));
  return adapted;
}

interface Form {
  readonly family: string;
  readonly checkpoint?: string;
  readonly method: Method;
  /** Of the adapter. */
  readonly adapter?: object;
  /** Of the run. */
  readonly settings?: RunSettings;
  /** Of the model; trained tensors are float32, or float64 as well. */
  readonly dtype?: torch.DType;
  readonly baseDtype?: LoadModelOptions["baseDtype"];
  readonly isPlain?: boolean;
}

const LEARNING: RunSettings = {
  learningRate: 1e-2,
  upperLearningRate: 1e-2,
  retrainLearningRate: 1e-2,
  maxSteps: 3,
  retrainSteps: 2,
};

const runsOf = (isPlain: boolean | undefined) => (isPlain ? withFormulas : <T>(body: () => T): T => body());

/** The reports and trained tensors of both twins' runs, the quantized one's first. */
async function trained({ family, method, adapter = {}, settings = {}, dtype = "float32", ...form }: Form) {
  const isSingle = existsSync(join(GOLDEN, family, "single"));
  const checkpoint = form.checkpoint ?? (isSingle ? "single" : "tokens");
  const kind: TaskKind = checkpoint === "tokens" ? "token-classification" : "sequence-classification";
  const pair = await twins(wideFolder(folder(), family, checkpoint), dtype, form.baseDtype);
  const which = { checkpoint, rows: checkpoint === "tokens" ? "tokens" : "train", maxLength: 12 };
  const rows = await encodeRows(family, which, kind);
  return [pair.quantized, pair.dense].map((model) => {
    const held = [...model.baseParameters()].filter(([, { values }]) => !values.isDense).length;
    const adapted = adapt(model, method, adapter, dtype === "float64" ? dtype : "float32");
    const run = () => runPhases({ model, adapted }, rows, { ...LEARNING, method, ...settings }, kind);
    return { held, ...runsOf(form.isPlain)(run) };
  });
}

/** @param expectEqual for what a step reported and for trained tensors */
async function expectTwins(
  form: Form,
  expectEqual: (actual: torch.Tensor, expected: torch.Tensor, what: string) => void,
): Promise<void> {
  const [quantized, dense] = await trained(form);
  expect([quantized!.held > 3, dense!.held]).toEqual([true, 0]);
  const losses = (of: typeof quantized) => of!.phases.flatMap(({ reports }) => reports.map(({ loss }) => loss));
  expectEqual(
    torch.tensor(Float64Array.from(losses(quantized))),
    torch.tensor(Float64Array.from(losses(dense))),
    "losses",
  );
  for (const [i, { end }] of quantized!.phases.entries())
    for (const [name, tensor] of end) expectEqual(tensor, dense!.phases[i]!.end.get(name)!, name);
}

const withSameBits = (form: Form) => expectTwins(form, expectSameBits);
const nearly = (form: Form) =>
  expectTwins({ dtype: "float64", ...form }, (a, b, what) => expectClose(a, b, 1e-8, what));

const methods = methodNames.filter((method) => METHODS[method].adapter !== undefined && !METHODS[method].upper);

describe("steps have the bits of the dense twin's", () => {
  test.each(few(families, 6))("%s with DoRA", (family) => withSameBits({ family, method: "dora" }));
  test.each(few(methods, 5))("BERT with %s", (method) => withSameBits({ family: "bert", method }));
  const ofLinear: readonly string[] = ["oft", "miss", "delora"]; // which PEFT does not have for these layers
  const ofConv1d = methods.filter((method) => !ofLinear.includes(method));
  test.each(few(ofConv1d, 5))("GPT-2, whose files hold matrices transposed, with %s", (method) =>
    withSameBits({ family: "gpt2", method }),
  );
  test("DoRA along in, with dropout", () =>
    withSameBits({ family: "bert", checkpoint: "dropout", method: "dora", adapter: { axis: "in", dropout: 0.2 } }));
  test("DoRA with dropout", () =>
    withSameBits({ family: "bert", checkpoint: "dropout", method: "dora", adapter: { dropout: 0.2 } }));
  test.each(["out", "in"])("DoRA whose norm has a gradient, along %s", (axis) =>
    withSameBits({ family: "llama", method: "dora", adapter: { axis, normGradient: "full" } }),
  );
  test.each(["nf4", "fp4", "int8", "q4_0"] as const)("%s", (baseDtype) =>
    withSameBits({ family: "llama", method: "dora", baseDtype }),
  );
  test("nf4 in bfloat16", () => withSameBits({ family: "bert", method: "dora", baseDtype: "nf4", dtype: "bfloat16" }));
  test("bfloat16", () => withSameBits({ family: "llama", method: "dora", dtype: "bfloat16" }));
  test("gradient checkpointing", () =>
    withSameBits({ family: "llama", method: "lora", settings: { gradientCheckpointing: true } }));
  test("formulas in place of kernels", () => withSameBits({ family: "gpt2", method: "dora", isPlain: true }));
});

describe("BiDoRA", () => {
  test.each(["bert", "deberta-v2", "modernbert", "gpt2", "llama"])("%s by the exact hypergradient", (family) =>
    nearly({ family, method: "bidora", settings: { hypergradient: "exact" } }),
  );
  test.each(["finite-difference", "forward-difference", "neumann", "cg", "first-order"] as const)(
    "by %s, regularized, with dropout",
    (hypergradient) =>
      nearly({
        family: "bert",
        checkpoint: "dropout",
        method: "bidora",
        adapter: { normGradient: "full" },
        settings: { hypergradient, regularizer: 0.1, hypergradientTerms: 2 },
      }),
  );
  test.each([true, false])("along in, regularized, formulas: %s", (isPlain) =>
    nearly({
      family: "bert",
      method: "bidora",
      adapter: { axis: "in", normGradient: "full" },
      settings: { hypergradient: "exact", regularizer: 0.1 },
      isPlain,
    }),
  );
});

test.each(["lora", "dora"] as const)("scales of %s", (method) =>
  nearly({ family: "bert", method, baseDtype: "nf4", settings: { upper: "scales", hypergradient: "exact" } }),
);

describe("a quantized base", () => {
  const input = () =>
    modelInput([
      { inputIds: [2, 9, 40, 7, 3], tokenTypeIds: [0, 0, 0, 0, 0] },
      { inputIds: [2, 5, 3], tokenTypeIds: [0, 0, 0] },
    ]);
  const wide = () => wideFolder(folder(), "gpt2", "single");

  test("is merged into dense weights, and restored as it was", async () => {
    const { quantized, dense } = await twins(wide());
    const [adapted, other] = [quantized, dense].map((model) => adapt(model, "dora", {}, "float32"));
    for (const [i, module] of adapted!.modules.entries())
      expectSameBits(mergedWeight(module), mergedWeight(other!.modules[i]!), module.path);
    const before = torch.noGrad(() => quantized.forward(input(), EVALUATION));
    const undo = merge(adapted!);
    expect([...quantized.baseParameters()].every(([, { values }]) => values.isDense)).toBe(true);
    expectClose(
      torch.noGrad(() => quantized.forward(input(), EVALUATION)),
      before,
      1e-5,
    );
    undo();
    expect(quantized.device).toBe("cpu");
    expectSameBits(
      torch.noGrad(() => quantized.forward(input(), EVALUATION)),
      before,
    );
  });

  test("has the dense twin's LoRA of the weights' change", async () => {
    const { quantized, dense } = await twins(wide());
    const [own, other] = [quantized, dense].map((model) => toLora(adapt(model, "dora", {}, "float32")));
    for (const [name, tensor] of own!.tensors) expectSameBits(tensor, other!.tensors.get(name)!, name);
  });

  test("is refused where one of its matrices is to be trained, before anything changes", async () => {
    const { quantized } = await twins(wide());
    const config = loraConfig({ targetModules: ["c_attn"], modulesToSave: ["c_fc"] });
    expect(() => inject(quantized, config, { generator: new torch.Generator(1) })).toThrow(
      "transformer.h.0.mlp.c_fc.weight can't be trained, since its quantized blocks stay as they are",
    );
    expect([...quantized.namedModules()].some(([, { adapter }]) => adapter)).toBe(false);
  });

  test("is refused where every weight is to be trained", async () => {
    const { quantized } = await twins(wide());
    expect(() => trainEverything(quantized)).toThrow(
      "transformer.h.0.attn.c_attn.weight can't be trained, since its quantized blocks stay as they are: load the model without baseDtype (--base-dtype), or train an adapter.",
    );
  });
});
