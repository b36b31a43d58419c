import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { quickstartModel } from "../../src/app/quickstart/models.js";
import { openCheckpoint } from "../../src/formats/checkpoint.js";
import { doraConfig, inject } from "../../src/models/adapters/index.js";
import { loadModel } from "../../src/models/index.js";
import { LabelMap } from "../../src/tasks/data/index.js";
import { namedDatasets } from "../../src/tasks/datasets/index.js";
import { type EncodedExample, TASKS, type Task } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import { ESTIMATORS } from "../../src/training/hypergradients/estimators.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { BilevelRule } from "../../src/training/steps/bilevelRule.js";
import { restoreSnapshot } from "../../src/training/steps/trainedTensors.js";
import type { Adapted } from "./support/adapted.js";
import { ADAMW, ofRole, WatchedLevel } from "./support/bilevel.js";
import { cosine } from "./support/compare.js";
import { type Phase, runPhases } from "./support/phases.js";
import { inOrder } from "./support/rows.js";

// One thread, since other tests run at the same time.
torch.setThreads(1);

const GLUE = fileURLToPath(new URL("../../../shared/data/glue", import.meta.url));
const task: Task = TASKS["sequence-classification"];
const mrpc = namedDatasets["glue/mrpc"];
const settings = { batchSize: 4, maxSteps: 100, learningRate: 1e-3, warmupRatio: 0.1, weightDecay: 0.01 };
/** Losses are averaged over this many steps before they are compared. */
const WINDOW = 10;

describe.skipIf(!existsSync(GLUE))("in bfloat16, a pretrained encoder on MRPC", () => {
  let folder: string;
  let rows: EncodedExample[];
  let full: Phase;

  beforeAll(async () => {
    folder = await quickstartModel();
    const examples = (await mrpc.load(GLUE, "train")).examples.slice(0, settings.batchSize * settings.maxSteps);
    const labels = new LabelMap(mrpc.labelNames);
    rows = await task.encode(examples, await loadTokenizer(folder), { labels, maxLength: 32 });
    full = await train("float32");
  });

  /** The encoder without dropout, with BiDoRA layers whose change starts at zero. */
  async function open(dtype: torch.DType): Promise<Adapted> {
    const original = openCheckpoint(folder);
    const config = { ...original.config, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
    const generator = new torch.Generator(1);
    const { head } = task;
    const { model } = await loadModel(
      { ...original, config },
      { head, outputs: mrpc.labelNames.length, dtype, generator },
    );
    original.close();
    const dora = doraConfig({ targetModules: ["query", "value"], modulesToSave: ["classifier"], normGradient: "full" });
    return { model, adapted: inject(model, dora, { generator }) };
  }

  async function train(dtype: torch.DType): Promise<Phase> {
    return runPhases(await open(dtype), rows, settings).phases[0]!;
  }

  test("the loss curve agrees with float32 within 2 %", async () => {
    const expected = curve(full);
    const actual = curve(await train("bfloat16"));
    expect(expected.at(-1)! / expected[0]!).toBeLessThan(0.9);
    const errors = actual.map((loss, i) => Math.abs(loss / expected[i]! - 1));
    expect(Math.max(...errors)).toBeLessThan(0.02);
  });

  /** The model at the end of the float32 run. */
  async function hypergradient(dtype: torch.DType, name: "exact" | "first-order") {
    const { model, adapted } = await open(dtype);
    restoreSnapshot(adapted.trained, full.end);
    const schedule = { schedule: "constant", warmupRatio: 0, steps: 1, maxGradNorm: undefined } as const;
    const options = { ...ADAMW, ...schedule, learningRate: settings.learningRate };
    const upper = new WatchedLevel(ofRole(adapted, "magnitude"), options);
    const rule = new BilevelRule({
      task,
      model,
      adapted,
      upper,
      lower: new WatchedLevel(ofRole(adapted, "direction"), options),
      lowerBatches: inOrder(rows.slice(0, 16), 16),
      upperBatches: inOrder(rows.slice(16, 32), 16),
      masks: new ReplayableMasks(new torch.Generator(0)),
      ranks: torch.ALONE,
      estimator: ESTIMATORS[name]({ terms: 0 }),
      xi: 1,
      unrollSteps: 1,
      gradientAccumulation: 1,
      penalty: undefined,
    });
    torch.scope(() => rule.step());
    return upper.given;
  }

  test("the hypergradient has the direction of float32's exact one", async () => {
    const exact = await hypergradient("float32", "exact");
    expect(cosine(await hypergradient("float32", "first-order"), exact), "without the second term").toBeLessThan(0.95);
    expect(cosine(await hypergradient("bfloat16", "exact"), exact)).toBeGreaterThan(0.98);
  });
});

/** The loss, averaged over blocks of steps. */
function curve({ reports }: Phase): number[] {
  return Array.from({ length: reports.length / WINDOW }, (_, i) => {
    const part = reports.slice(i * WINDOW, (i + 1) * WINDOW);
    return part.reduce((sum, { loss }) => sum + loss, 0) / WINDOW;
  });
}
