// Training steps on the meta device.

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
import { METHODS, type Method, type RunSettings } from "../../../src/tasks/config/index.js";
import { type EncodedExample, TASKS, type Task, type TaskKind } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import { ReplayableMasks } from "../../../src/training/loop/masks.js";
import { planPhases } from "../../../src/training/loop/plans.js";
import type { StepReport } from "../../../src/training/steps/stepRule.js";
import { takeSnapshot } from "../../../src/training/steps/trainedTensors.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { ownHead } from "../../models/ownHead.js";
import { GOLDEN } from "../../parity/goldenFiles.js";
import { openModel } from "../../parity/support/adapted.js";
import { planSettings } from "../../parity/support/phases.js";
import { encodeLanguageRows, encodeRows } from "../../parity/support/rows.js";
import { wideFolder } from "../../parity/support/wide.js";
import { MetaGuard } from "../metaGuard.js";

const folder = temporaryFolders();

export let guard: MetaGuard;
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
export async function step(form: Form): Promise<void> {
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

/** Families whose layers the others share. */
export const FEW_FAMILIES = ["bert", "deberta-v2", "gpt2", "llama", "modernbert"];

/** Tests a search step of each family. */
export function testFamilies(names: readonly string[]): void {
  describe.each(names)("the family %s", (family) => {
    const tokens = { checkpoint: "tokens", kind: "token-classification" } as const;
    const form = { family, settings: { hypergradient: "exact" }, ...(!hasSingle(family) && tokens) } as const;
    test("a search step by the exact hypergradient", () => step(form));
    test("with gradient checkpointing", () => step({ ...form, isCheckpointed: true }));
  });
}
