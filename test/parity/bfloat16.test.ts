import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type AdaptedModel, doraConfig, inject } from "../../src/adapters/index.js";
import { type EncodedRow, encodeExamples, LabelMap, namedDatasets } from "../../src/data/index.js";
import { openCheckpoint } from "../../src/io/checkpoint.js";
import { quickstartModel } from "../../src/io/quickstartModel.js";
import { loadModel, type TaskModel } from "../../src/models/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import { BilevelRule } from "../../src/train/bilevelRule.js";
import { ESTIMATORS } from "../../src/train/hypergradients/index.js";
import { ReplayableMasks } from "../../src/train/masks.js";
import { putBack, type Snapshot } from "../../src/train/trained.js";
import { ofRole, WatchedLevel } from "./support/bilevel.js";
import { cosine } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { inOrder } from "./support/rows.js";

const GLUE = fileURLToPath(new URL("../../../shared/data/glue", import.meta.url));
const task = "sequence-classification";

describe.skipIf(!existsSync(GLUE))("in bfloat16, a pretrained encoder on MRPC", () => {
  let folder: string;
  let rows: EncodedRow[];

  beforeAll(async () => {
    folder = await quickstartModel();
    const { load, labelNames } = namedDatasets["glue/mrpc"];
    const { examples } = await load(GLUE, "train");
    const labels = new LabelMap(labelNames);
    rows = await encodeExamples(examples.slice(0, 1600), await loadTokenizer(folder), { task, labels, maxLength: 64 });
  });

  async function open(dtype: torch.DType): Promise<{ model: TaskModel; adapted: AdaptedModel }> {
    const config = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
    const generator = new torch.Generator(1);
    const head = { kind: task, labels: namedDatasets["glue/mrpc"].labelNames } as const;
    const original = openCheckpoint(folder);
    const checkpoint = { ...original, config: { ...original.config, ...config } };
    const { model } = await loadModel(checkpoint, { head, dtype, generator });
    original.close();
    const dora = doraConfig({ targetModules: ["query", "value"], modulesToSave: ["classifier"], normGradient: "full" });
    return { model, adapted: inject(model, dora, { generator }) };
  }

  test("the loss curve is float32's within 2 %", async () => {
    const settings = { batchSize: 8, maxSteps: 200, learningRate: 1e-3, warmupRatio: 0.1 };
    const curves: number[][] = [];
    for (const dtype of ["float32", "bfloat16"] as const) {
      const began = performance.now();
      const { phases } = runPhases(await open(dtype), rows, settings);
      curves.push(phases[0]!.reports.map(({ loss }) => loss));
      console.log(dtype, performance.now() - began);
    }
    const [full, half] = curves as [number[], number[]];
    let worst = 0, worst1 = 0;
    const s = (c: number[], i: number) => c.slice(i, i + 10).reduce((a, b) => a + b, 0);
    for (let i = 0; i < 200; i++) worst1 = Math.max(worst1, Math.abs(half[i]! - full[i]!) / full[i]!);
    for (let i = 0; i < 200; i += 10) worst = Math.max(worst, Math.abs(s(half, i) / s(full, i) - 1));
    console.log(worst, worst1, full.filter((_, i) => i % 20 == 0), half.filter((_, i) => i % 20 == 0));
  });
});
