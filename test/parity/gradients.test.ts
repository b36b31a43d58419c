import { describe, expect, test } from "vitest";
import { type AdaptedModel, trainEverything } from "../../src/adapters/index.js";
import { type TaskModel, toModelInput } from "../../src/models/index.js";
import { crossEntropy, EVALUATION, type ForwardContext } from "../../src/nn/index.js";
import { gradientsOf } from "../../src/train/level.js";
import { batchOf, expectClose, families, get, manifest, type Tensors } from "./goldenFiles.js";
import { openAdapted, openModel } from "./support/adapted.js";
import { casesOf, goldenTensors, section } from "./support/cases.js";
import { distance, named } from "./support/compare.js";
import { RecordedMasks } from "./support/masks.js";

const TRAINING: ForwardContext = { masks: undefined, differentiateTwice: false };

/** Loss and gradients of a golden batch, the gradients by the names that they have in an adapter file. */
function differentiate(model: TaskModel, { trained }: AdaptedModel, batch: Tensors, context: ForwardContext) {
  const logits = model.forward(toModelInput(batchOf(batch)), context);
  const loss = crossEntropy(logits, get(batch, "labels"));
  const tensors = trained.map(({ tensor }) => tensor);
  return { logits, loss, gradients: named(trained, gradientsOf(loss, tensors)) };
}

test.each(families.filter((family) => manifest(family).fullGradient))("%s, everything trained", async (family) => {
  const { checkpoint, batch, file } = manifest(family).fullGradient!;
  const model = await openModel(family, checkpoint);
  const { gradients } = differentiate(model, trainEverything(model), goldenTensors(family, batch), TRAINING);
  expect(distance(gradients, section(goldenTensors(family, file), "grad"))).toBeLessThan(1e-5);
});

describe("with given dropout masks", () => {
  test.each(casesOf("dropout"))("$family $name", async ({ family, file, ...entry }) => {
    const golden = goldenTensors(family, file);
    const { model, adapted } = await openAdapted(family, entry);
    const masks = new RecordedMasks(model, adapted, golden, toModelInput(batchOf(golden)));
    const { logits, gradients } = differentiate(model, adapted, golden, { ...TRAINING, masks });
    expectClose(logits, get(golden, "logits"), 1e-5);
    expect(masks.used).toBe(section(golden, "mask").size);
    expect(distance(gradients, section(golden, "grad"))).toBeLessThan(1e-5);
    for (const [name, gradient] of section(golden, "grad")) expectClose(gradients.get(name)!, gradient, 1e-4, name);
  });

  test("evaluation draws none", async () => {
    const [{ family, file, ...entry }] = casesOf("dropout") as [ReturnType<typeof casesOf<"dropout">>[number]];
    const golden = goldenTensors(family, file);
    const { model, adapted } = await openAdapted(family, entry);
    const { logits } = differentiate(model, adapted, golden, EVALUATION);
    expect(() => expectClose(logits, get(golden, "logits"), 1e-2)).toThrow();
  });
});
