import { resolveRun } from "../../src/tasks/config/index.js";
import { TASKS, type Task } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { planPhases } from "../../src/training/loop/plans.js";
import { StartOutputs } from "../../src/training/steps/startOutputs.js";
import { takeSnapshot } from "../../src/training/steps/trainedTensors.js";
import type { OwnSpec } from "../turns/protocol.js";
import { adaptedModel } from "./adaptedModel.js";
import { batchSizeOf, isInOrder, rowsOf } from "./rows.js";
import type { Prepared } from "./work.js";

/** Training steps (for `bidora`, search steps) by the same rules as `finetune`, each in its own scope. */
export async function training(spec: OwnSpec): Promise<Prepared> {
  const { model, adapted, generator } = await adaptedModel(spec);
  const rows = rowsOf(spec);
  const batchSize = batchSizeOf(spec);
  const task: Task = TASKS[spec.kind];
  const config = resolveRun({
    model: spec.model,
    method: spec.method,
    batchSize,
    shuffle: !isInOrder(spec),
    learningRate: 1e-4,
    weightDecay: 0,
    maxGradNorm: 1,
    schedule: "constant",
    warmupRatio: 0,
    maxSteps: 1e6,
    ...(spec.hypergradient && { hypergradient: spec.hypergradient }),
  });
  const start = takeSnapshot(adapted.trained);
  const setup = {
    model,
    adapted,
    rows,
    task,
    masks: new ReplayableMasks(generator),
    ranks: torch.ALONE,
    start,
    ...(task.comparesWithStart && { startOutputs: new StartOutputs(task, model, adapted.trained, start, rows) }),
  };
  const [plan] = planPhases(setup, config);
  if (!plan) throw new Error("The method has no training phase.");
  const rule = plan.begin();
  const steps = spec.unit === "pass" ? Math.ceil(rows.length / batchSize) : 1;
  const work = () => {
    for (let i = 0; i < steps; i++) torch.scope(() => void rule.step());
  };
  const trained = sumOf(adapted.trained, ({ tensor }) => tensor.numel);
  return { work, facts: { trained, bearLoss: sumOf(rows, (row) => task.weight(row)) } };
}

function sumOf<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
