import { expect, test } from "vitest";
import { TrainedTensor } from "../../src/models/adapters/index.js";
import { Parameter } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { evaluator } from "../../src/training/loop/earlyStopping.js";
import type { RunHandle, Untimed } from "../../src/training/loop/observer.js";
import {
  checkTrainedTensors,
  magnitudeMovement,
  restoreSnapshot,
  takeSnapshot,
} from "../../src/training/steps/trainedTensors.js";

const member = (name: string, values: readonly number[], role: "direction" | "magnitude" = "direction") =>
  new TrainedTensor(name, Parameter.of(torch.tensor(values)), role, true);

function set(trained: TrainedTensor, values: readonly number[]): void {
  torch.noGrad(() => torch.copy_(trained.tensor, torch.tensor(values)));
}

test("a snapshot keeps tensors' values and restores them in place", () => {
  const trained = [member("a", [1, 2]), member("b", [3])];
  const snapshot = torch.scope(() => takeSnapshot(trained));
  const tensor = trained[0]!.tensor;
  for (const each of trained) set(each, each.name === "a" ? [7, 7] : [7]);
  restoreSnapshot(trained, snapshot);
  expect(trained.map((each) => [...each.tensor.toArray()])).toEqual([[1, 2], [3]]);
  expect(trained[0]!.tensor).toBe(tensor);
  expect(() => restoreSnapshot([...trained, member("c", [0])], snapshot)).toThrow("for c");
});

test("one non-finite number is found", () => {
  expect(() => checkTrainedTensors([member("a", [1, -2]), member("b", [0])], 3)).not.toThrow();
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    expect(() => checkTrainedTensors([member("a", [1, -2]), member("b", [0, bad])], 3)).toThrow(
      "Step 3: b is no longer finite",
    );
});

test("the movement of magnitudes is the mean distance by module", () => {
  const trained = [member("x.lora_magnitude_vector", [1, 5], "magnitude"), member("x.lora_A.weight", [1])];
  const start = takeSnapshot(trained);
  set(trained[0]!, [2, 2]);
  expect(magnitudeMovement(trained, start)).toEqual({ x: 2 });
});

test("an evaluation runs every so many steps of the whole run, and emits metrics and magnitudes if there are any", async () => {
  const magnitudes = [member("x.lora_magnitude_vector", [1], "magnitude")];
  const eventsOf = async (trained: readonly TrainedTensor[], metrics: Readonly<Record<string, number>>) => {
    const { on } = evaluator({ every: 3, evaluate: async () => metrics, trained, start: takeSnapshot(trained) });
    const events: string[] = [];
    const emit = async ({ event, ...rest }: Untimed) => {
      events.push(`${event} ${"step" in rest && rest.step}`);
    };
    for (let step = 1; step <= 7; step++) {
      const run = { phase: "train", step, phaseStep: step + 1, emit } as unknown as RunHandle;
      const event = { time: "", event: "step", phase: "train", step, loss: 0, learningRate: 0, seconds: 0 } as const;
      await on({ ...event, rows: 1, tokens: 1 }, run);
    }
    return events;
  };
  expect(await eventsOf([], { accuracy: 1 })).toEqual(["evaluation 3", "evaluation 6"]);
  expect(await eventsOf(magnitudes, { accuracy: 1 })).toEqual([
    "magnitudes 3",
    "evaluation 3",
    "magnitudes 6",
    "evaluation 6",
  ]);
  expect(await eventsOf(magnitudes, {})).toEqual(["magnitudes 3", "magnitudes 6"]);
});
