import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/models/index.js";
import { EVALUATION, type ForwardContext, transposed } from "../../src/models/nn/index.js";
import { batchOf, encodeExamples, lossWeight, TASKS } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import { predictRows } from "../../src/use/evaluation/predictRows.js";
import { headFor } from "../models/ownHead.js";
import { differentiable } from "../torch/operators/passes.js";
import { expectClose, families, GOLDEN, get, goldenRows, manifest, readTensors } from "./goldenFiles.js";

const task = TASKS["question-answering"];
const TRAINING: ForwardContext = { masks: undefined };
const cases = families.flatMap((family) => {
  const { questions } = manifest(family);
  return questions ? [{ family, ...questions }] : [];
});

test("there are golden questions for several families", () => expect(cases.length).toBeGreaterThan(1));

describe.each(cases)("$family: questions", ({ family, checkpoint, rows, maxLength, file, predictions }) => {
  const golden = readTensors(join(GOLDEN, family, file));
  const folder = join(GOLDEN, family, checkpoint);
  const examples = () => task.read(join(GOLDEN, "rows", `${rows}.jsonl`), {});
  const encoded = async () =>
    encodeExamples(task, (await examples()).examples, await loadTokenizer(folder), { labels: undefined, maxLength });
  const load = async () => {
    const options = {
      ...headFor("question-answering", 2),
      dtype: "float32",
      generator: new torch.Generator(1),
    } as const;
    const loaded = await loadModel(folder, options);
    expect(loaded.initialized).toEqual([]);
    return loaded.model;
  };

  test("windows, token types and targets equal those of transformers' script", async () => {
    const found = await encoded();
    const expected = goldenRows(golden);
    expect(found.map(({ inputIds }) => inputIds)).toEqual(expected.map(({ inputIds }) => inputIds));
    expect(found.map(({ tokenTypeIds }) => tokenTypeIds)).toEqual(expected.map(({ tokenTypeIds }) => tokenTypeIds));
    expect(found.flatMap(({ target }) => [...target!])).toEqual(get(golden, "spans").toArray());
    expect(found.length).toBeGreaterThan(predictions.length);
  });

  test.each([false, true])(
    "logits, loss and gradients of all windows in one batch, differentiated twice: %s",
    async (isTwice) => {
      const model = await load();
      const batch = batchOf(await encoded());
      const parameters = Array.from(model.namedParameters()).filter(([path]) => golden.has(`grad.${path}`));
      expect(parameters.length).toBeGreaterThan(3);
      for (const [, { tensor }] of parameters) tensor.setRequiresGrad(true);
      const outputs = differentiable(isTwice, () => model.forward(batch, TRAINING));
      expectClose(outputs, get(golden, "logits"), 1e-5, "logits");
      const loss = torch.divScalar(task.loss(outputs, batch), lossWeight(task, batch));
      expectClose(loss, get(golden, "loss"), 1e-5, "loss");
      torch.backward(loss);
      for (const [path, { tensor, isStoredTransposed }] of parameters) {
        // The output's bias adds a constant to all scores of a row, so its gradient is zero up to rounding.
        if (path.endsWith("bias")) expect(Math.max(...tensor.grad!.toArray().map(Math.abs)), path).toBeLessThan(1e-6);
        else
          expectClose(
            isStoredTransposed ? transposed(tensor.grad!) : tensor.grad!,
            get(golden, `grad.${path}`),
            2e-5,
            path,
          );
      }
    },
  );

  test("answers, with their character spans and probabilities", async () => {
    const model = await load();
    for (const batchSize of [1, 4]) {
      const found: object[] = [];
      const options = { task, labels: task.outputs!, batchSize };
      for await (const { prediction } of predictRows(model, await encoded(), options)) found.push(prediction);
      expect(found).toEqual(
        predictions.map(({ score, ...answer }) => ({ ...answer, score: expect.closeTo(score, 5) })),
      );
    }
  });

  test("a row's loss doesn't depend on other rows of the batch", async () => {
    const model = await load();
    const all = await encoded();
    const lossOf = (some: typeof all) => {
      const batch = batchOf(some);
      return task.loss(model.forward(batch, EVALUATION), batch).item();
    };
    const alone = all.map((row) => lossOf([row])).reduce((sum, loss) => sum + loss, 0);
    expect(lossOf(all) / alone).toBeCloseTo(1, 5);
  });
});
