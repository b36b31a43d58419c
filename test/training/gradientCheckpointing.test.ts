// Layers that are recomputed in the backward pass: the same bits as those that are kept.

import { describe, expect, test } from "vitest";
import { doraConfig, inject, loraConfig } from "../../src/models/adapters/index.js";
import { bitfit } from "../../src/models/adapters/methods/bitfit.js";
import { delora } from "../../src/models/adapters/methods/delora.js";
import { hira } from "../../src/models/adapters/methods/hira.js";
import { ia3 } from "../../src/models/adapters/methods/ia3.js";
import { miss } from "../../src/models/adapters/methods/miss.js";
import { oft } from "../../src/models/adapters/methods/oft.js";
import { prediag } from "../../src/models/adapters/methods/prediag.js";
import { vera } from "../../src/models/adapters/methods/vera.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { type Prepared, setupOf } from "../../src/training/run/prepare.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import { openModel } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeRows } from "../parity/support/rows.js";
import { few } from "../support/few.js";
import { expectSameBits } from "../torch/sameBits.js";

const shared = { rank: 3, alpha: 6, dropout: 0.2, modulesToSave: ["classifier"] };
const METHODS = {
  lora: { method: "lora", config: loraConfig(shared) },
  "lora of all layers": {
    method: "lora",
    config: loraConfig({ ...shared, loraBias: true, targetModules: ["dense", "q_lin", "lin1"] }),
  },
  dora: { method: "dora", config: doraConfig(shared) },
  "dora along in": { method: "dora", config: doraConfig({ ...shared, axis: "in", normGradient: "full" }) },
  "dora without dropout": { method: "dora", config: doraConfig({ ...shared, dropout: 0, normGradient: "full" }) },
  ia3: {
    method: "ia3",
    config: ia3.config({ feedforwardModules: ["output.dense"], modulesToSave: ["classifier"] }),
  },
  oft: { method: "oft", config: oft.config({ rank: 4, modulesToSave: ["classifier"] }) },
  "oft by linear systems": {
    method: "oft",
    config: oft.config({ rank: 4, oftCayleyNeumann: false, modulesToSave: ["classifier"] }),
  },
  prediag: { method: "prediag", config: prediag.config(shared) },
  vera: { method: "vera", config: vera.config({ rank: 4, modulesToSave: ["classifier"] }) },
  miss: { method: "miss", config: miss.config({ rank: 5, dropout: 0.2, modulesToSave: ["classifier"] }) },
  delora: { method: "delora", config: delora.config({ rank: 3, dropout: 0.2, modulesToSave: ["classifier"] }) },
  hira: { method: "hira", config: hira.config({ rank: 3, dropout: 0.2, modulesToSave: ["classifier"] }) },
  bitfit: { method: "bitfit", config: bitfit.config({ modulesToSave: ["classifier"] }) },
} as const;
const FAMILIES = ["bert", "distilbert"] as const;
type Case = { readonly family: string; readonly dtype: torch.DType; readonly method: keyof typeof METHODS };
/** Layers of other kinds, and the head's name. */
const OTHERS = {
  "deberta-v2": "classifier",
  modernbert: "classifier",
  mpnet: "classifier",
  gpt2: "score",
  llama: "score",
} as const;

/** Reports of two steps of each phase, and what is trained after them. */
async function train({ family, dtype, method }: Case, gradientCheckpointing: boolean, settings: RunSettings = {}) {
  const place = { checkpoint: "dropout", rows: "train", maxLength: 20 };
  const model = await openModel(family, "dropout", dtype);
  const head = family in OTHERS ? OTHERS[family as keyof typeof OTHERS] : "classifier";
  const config = { ...METHODS[method].config, modulesToSave: [head] };
  const adapted = inject(model, config, { generator: new torch.Generator(1), dtype: "float32" });
  const masks = new ReplayableMasks(new torch.Generator(0), { gradientCheckpointing });
  const rows = await encodeRows(family, place);
  const setup = { model, adapted, rows, task: TASKS["sequence-classification"], masks, ranks: torch.ALONE };
  const plans = planPhases(
    { ...setup, start: takeSnapshot(adapted.trained) },
    planSettings({
      method: METHODS[method].method,
      batchSize: 3,
      maxSteps: 2,
      learningRate: 1e-2,
      gradientAccumulation: 2,
      maxGradNorm: 1,
      ...settings,
    }),
  );
  const reports = plans.flatMap((plan) => {
    const rule = plan.begin();
    return [1, 2].map(() => torch.scope(() => rule.step()));
  });
  return { reports, end: takeSnapshot(adapted.trained) };
}

async function expectSame(one: Case, settings: RunSettings = {}) {
  const [kept, recomputed] = [await train(one, false, settings), await train(one, true, settings)];
  expect(recomputed.reports).toEqual(kept.reports);
  expect([...recomputed.end.keys()]).toEqual([...kept.end.keys()]);
  for (const [name, tensor] of kept.end) expectSameBits(recomputed.end.get(name)!, tensor, name);
}

describe.each(["float32", "bfloat16"] as const)("%s", (dtype) => {
  const cases = FAMILIES.flatMap((family) =>
    (Object.keys(METHODS) as (keyof typeof METHODS)[]).map((method) => ({ family, method, dtype })),
  );
  test.each(few(cases, 6))("$method on $family", (one) => expectSame(one));

  const others = Object.keys(OTHERS).flatMap((family) =>
    (["lora", "dora along in"] as const).map((method) => ({ family, method, dtype })),
  );
  test.each(others)("$method on $family", (one) => expectSame(one));

  test.each(["finite-difference", "forward-difference", "first-order"] as const)(
    "BiDoRA's phases with %s",
    (hypergradient) =>
      expectSame(
        { family: "bert", method: "dora without dropout", dtype },
        { method: "bidora", hypergradient, upperLearningRate: 1e-2, regularizer: 0.1, retrainSteps: 2 },
      ),
  );
});

test.each([true, false])(
  "--gradient-checkpointing %s comes to every pass that is trained by",
  (gradientCheckpointing) => {
    const prepared = {
      data: {},
      choice: { task: {} },
      loaded: {},
      generator: new torch.Generator(0),
      config: { gradientCheckpointing },
    };
    const { masks } = setupOf(prepared as unknown as Prepared);
    expect(masks.training().gradientCheckpointing).toBe(gradientCheckpointing);
  },
);
