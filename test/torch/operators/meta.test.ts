// Training steps of every family and every method on the meta device.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../../../src/formats/checkpoint.js";
import {
  ADAPTER_METHODS,
  type AdapterConfig,
  type AdapterMethodName,
  inject,
  trainEverything,
} from "../../../src/models/adapters/index.js";
import { loadModel, type TaskModel } from "../../../src/models/index.js";
import { METHODS, type Method, methodNames, type RunSettings } from "../../../src/tasks/config/index.js";
import { type EncodedExample, TASKS, type Task, type TaskKind } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import { ReplayableMasks } from "../../../src/training/loop/masks.js";
import { planPhases } from "../../../src/training/loop/plans.js";
import type { StepReport } from "../../../src/training/steps/stepRule.js";
import { takeSnapshot } from "../../../src/training/steps/trainedTensors.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { ownHead } from "../../models/ownHead.js";
import { families, GOLDEN } from "../../parity/goldenFiles.js";
import { openModel } from "../../parity/support/adapted.js";
import { planSettings } from "../../parity/support/phases.js";
import { encodeLanguageRows, encodeRows } from "../../parity/support/rows.js";
import { wideFolder } from "../../parity/support/wide.js";
import { MetaGuard } from "../metaGuard.js";

const folder = temporaryFolders();

let guard: MetaGuard;
beforeAll(() => {
  guard = new MetaGuard();
});
afterAll(() => guard.release());

/** A model that is loaded onto the meta device. */
const quantizedModel = async (folder: string): Promise<TaskModel> => {
  const options = { ...ownHead(readConfig(folder)), dtype: "float32", baseDtype: "q8_0", device: "meta" } as const;
  return (await loadModel(folder, { ...options, generator: new torch.Generator(0) })).model;
};

function adapt(model: TaskModel, method: Method, dtype: torch.DType) {
  const { adapter } = METHODS[method];
  if (!adapter) return trainEverything(model, dtype);
  const config = ADAPTER_METHODS[adapter as AdapterMethodName].config({
    targetModules: "all-linear",
    ...(adapter === "dora" && { normGradient: "full" }),
  } as never) as AdapterConfig;
  return inject(model, config, { generator: new torch.Generator(1), dtype });
}

interface Form {
  readonly family: string;
  readonly checkpoint?: string;
  readonly kind?: TaskKind;
  readonly method?: Method;
  readonly settings?: RunSettings;
  readonly isCheckpointed?: boolean;
  /** Its matrices are in quantized blocks. */
  readonly isQuantized?: boolean;
}

/** One step of a run's first phase. */
async function step(form: Form): Promise<void> {
  await readsOfStep(form);
}

/** How often the step reads values of a tensor, for which the processor waits for a GPU. */
async function readsOfStep({
  family,
  checkpoint = "single",
  kind,
  method = "bidora",
  settings,
  ...form
}: Form): Promise<number> {
  const wide = () => wideFolder(folder(), family, checkpoint);
  const model = form.isQuantized
    ? await quantizedModel(wide())
    : await openModel(family, checkpoint, "float32", "meta");
  const adapted = adapt(model, method, "float32");
  const rows = await rowsOf(family, checkpoint, kind);
  const masks = new ReplayableMasks(new torch.Generator(2), { gradientCheckpointing: form.isCheckpointed ?? false });
  const task: Task = TASKS[kind ?? "sequence-classification"];
  const setup = { model, adapted, rows, task, masks, ranks: torch.ALONE, start: takeSnapshot(adapted.trained) };
  const run = planSettings({ method, batchSize: 3, regularizer: 0.1, maxSteps: 2, ...settings });
  const [phase] = planPhases(setup, run);
  const rule = phase!.begin();
  let report: StepReport | undefined = torch.scope(() => rule.step()); // also makes what the model keeps, such as frequencies
  const reads = await guard.onMetaAlone(() => {
    report = torch.scope(() => rule.step());
  });
  expect(report?.loss).toBe(1);
  for (const { name, tensor } of adapted.trained) expect(tensor.device, name).toBe("meta");
  return reads;
}

const rowsOf = (family: string, checkpoint: string, kind?: TaskKind): Promise<EncodedExample[]> =>
  kind === "causal-lm"
    ? encodeLanguageRows(family, { rows: "train", maxLength: 12 })
    : encodeRows(family, { checkpoint, rows: kind ? "tokens" : "train", maxLength: 12 }, kind);

const hasSingle = (family: string): boolean => existsSync(join(GOLDEN, family, "single"));

describe.each(families)("the family %s", (family) => {
  const tokens = { checkpoint: "tokens", kind: "token-classification" } as const;
  const form = { family, settings: { hypergradient: "exact" }, ...(!hasSingle(family) && tokens) } as const;
  test("a search step by the exact hypergradient", () => step(form));
  test("with gradient checkpointing", () => step({ ...form, isCheckpointed: true }));
});

test.each(methodNames)("the method %s", (method) => step({ family: "bert", checkpoint: "dropout", method }));

test.each(["finite-difference", "forward-difference", "neumann", "cg", "first-order"] as const)(
  "the hypergradient %s",
  (hypergradient) => step({ family: "bert", checkpoint: "dropout", settings: { hypergradient } }),
);

describe("a quantized base", () => {
  const trained = methodNames.filter((method) => METHODS[method].adapter !== undefined);
  test.each(trained)("with %s", (method) => step({ family: "gpt2", method, isQuantized: true }));
  test("differentiated twice", () =>
    step({ family: "bert", isQuantized: true, settings: { hypergradient: "neumann", hypergradientTerms: 1 } }));
});

test("a language model's tokens", () => step({ family: "llama", checkpoint: "lm", kind: "causal-lm", method: "lora" }));

describe("the guard of these tests refuses", () => {
  const x = () => torch.ones([2], { device: "meta" });

  test("an operand on another device", () => {
    expect(() => torch.mul(x(), torch.ones([2]))).toThrow("aten::mul.Tensor has operands on meta and cpu");
  });

  test("a tensor that is made on the CPU in a step", async () => {
    await expect(guard.onMetaAlone(() => torch.ones([2]))).rejects.toThrow("aten::ones made a tensor on the CPU");
    await expect(guard.onMetaAlone(() => torch.tensor([1]))).rejects.toThrow("made from numbers on the CPU");
    expect(await guard.onMetaAlone(() => torch.tensor([1], [1], "float32", "meta").item())).toBe(1);
  });
});
