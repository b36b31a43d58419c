import { describe, expect, test } from "vitest";
import { doraConfig, inject, loraConfig } from "../../../src/models/adapters/index.js";
import { EVALUATION, SeededMasks } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { differentiable } from "../../torch/operators/passes.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const options = { generator: new torch.Generator(3), dtype: "float64" } as const;

describe.each(["out", "in"] as const)("the gain that inference caches, axis %s,", (axis) => {
  test.each(["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"])("follows %s", (suffix) => {
    const model = new SmallModel();
    const { trained } = inject(model, doraConfig({ targetModules: ["query"], rank: 2, axis }), options);
    perturb(trained.map(({ tensor }) => tensor));
    const member = trained.find(({ name }) => name.endsWith(suffix))!;
    const expectFresh = () =>
      expectClose(model.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION_WITH_GRADIENT), 1e-12);
    expectFresh();
    perturb([member.tensor], 9); // in its place
    expectFresh();
    const other = torch.keep(torch.noGrad(() => torch.clone(member.tensor)));
    perturb([other], 11);
    while (other.version < member.tensor.version) perturb([other], 12);
    member.parameter.swap(other); // by another tensor, of the same version
    expectFresh();
  });
});

test("LoRA with dropout gives the same result with and without a second derivative", () => {
  const model = new SmallModel();
  const { trained } = inject(model, loraConfig({ targetModules: ["query"], dropout: 0.5 }), options);
  perturb(trained.map(({ tensor }) => tensor));
  const [once, twice] = [false, true].map((differentiateTwice) =>
    differentiable(differentiateTwice, () => model.forward(IDS, { masks: new SeededMasks(5) })),
  );
  expectClose(twice!, once!, 1e-12);
  expect(once!.toArray()).not.toEqual(model.forward(IDS, EVALUATION_WITH_GRADIENT).toArray());
});

test("a new A is uniform in ±1/√in, and B is zero", () => {
  const { trained } = inject(new SmallModel(), loraConfig({ targetModules: ["query", "words"], rank: 64 }), options);
  const valuesOf = (end: string) => trained.find(({ name }) => name.endsWith(end))!.tensor.toArray();
  const a = [...valuesOf("query.lora_A.weight")];
  const bound = 1 / Math.sqrt(6);
  expect(Math.max(...a)).toBeLessThanOrEqual(bound);
  expect(Math.max(...a)).toBeGreaterThan(0.9 * bound);
  expect(Math.min(...a)).toBeGreaterThanOrEqual(-bound);
  expect(Math.min(...a)).toBeLessThan(-0.9 * bound);
  expect(valuesOf("query.lora_B.weight").every((value) => value === 0)).toBe(true);
  expect(valuesOf("words.lora_embedding_A").every((value) => value === 0)).toBe(true);
  const normal = [...valuesOf("words.lora_embedding_B")];
  const deviation = Math.sqrt(normal.reduce((sum, value) => sum + value * value, 0) / normal.length);
  expect(deviation).toBeGreaterThan(0.8);
  expect(deviation).toBeLessThan(1.2);
});

test("training starts from the saved tensors, and does not change them", () => {
  const config = loraConfig({ targetModules: ["query"], modulesToSave: ["classifier"] });
  const source = inject(new SmallModel("float64", 2), config, options);
  const saved = new Map(source.trained.map(({ name, tensor }) => [name, tensor]));
  const model = new SmallModel();
  const before = [...saved].map(([, tensor]) => [...tensor.toArray()]);
  const { trained } = inject(model, config, { ...options, saved });
  expect(trained.find(({ name }) => name === "classifier.weight")!.tensor.toArray()).toEqual(
    saved.get("classifier.weight")!.toArray(),
  );
  perturb(trained.map(({ tensor }) => tensor));
  expect([...saved].map(([, tensor]) => [...tensor.toArray()])).toEqual(before);
});
