import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { Encoder } from "../../src/models/encoder.js";
import { loadModel, type ModelType, modelInput, type TaskModel } from "../../src/models/index.js";
import { EVALUATION, type Parameter, rowLayout } from "../../src/models/nn/index.js";
import { TASKS, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { twiceDifferentiable } from "../../src/torch/operators/choose.js";
import { expectClose, GOLDEN, goldenInput, goldenRows, readTensors, tokenRows } from "../parity/goldenFiles.js";
import { differentiable } from "../torch/operators/passes.js";
import { changedCheckpoint } from "./checkpoints.js";
import { ownHead } from "./ownHead.js";

async function load(folder: string, dtype: torch.DType = "float64"): Promise<TaskModel> {
  const checkpoint = changedCheckpoint(folder, {});
  return (await loadModel(checkpoint, { ...ownHead(checkpoint.config), dtype, generator: new torch.Generator(1) }))
    .model;
}

function parameter(model: TaskModel, path: string): Parameter {
  return new Map(model.namedParameters()).get(path) as Parameter;
}

const CONFIG = {
  hiddenSize: 12,
  layers: 2,
  heads: 3,
  intermediateSize: 20,
  activation: "gelu",
  layerNormEpsilon: 1e-12,
  hiddenDropout: 0,
  attentionDropout: 0,
};

test.each([
  { family: "bert", padding: 0, places: [0, 1, 2, 3] },
  { family: "roberta", padding: 1, places: [2, 3, 4] },
])("$family: padding tokens in a text train no embedding row, as in PyTorch", async ({ family, padding, places }) => {
  const model = await load(`${family}/single`);
  const tables = ["word", "position"].map((kind) =>
    parameter(model, `${family}.embeddings.${kind}_embeddings.weight`).tensor.setRequiresGrad(true),
  );
  const input = modelInput(tokenRows([4], [5, padding, 7, 7]));
  const logits = twiceDifferentiable(() => model.forward(input, EVALUATION));
  const trained = torch.grad([torch.sum(torch.tanh(logits))], tables).map((gradient) => {
    const sizes = torch.linalgVectorNorm(gradient!, 2, [1]).toArray();
    return [...sizes.keys()].filter((row) => sizes[row] !== 0);
  });
  expect(trained).toEqual([[5, 7], places]);
});

test.each([false, true])(
  "the last layer restricted to first tokens gives the same outputs and gradients for them, differentiated twice: %s",
  (isTwice) => {
    const generator = new torch.Generator(3);
    const normal = (shape: readonly number[]) =>
      torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator });
    const encoder = new Encoder(CONFIG);
    for (const [, p] of encoder.namedParameters()) p.fill(normal(p.shape));
    const layout = rowLayout([3, 1, 5]);
    const x = normal([9, 12]).setRequiresGrad(true);
    const weights = normal([3, 12]);

    const forward = (only?: torch.Tensor) =>
      differentiable(isTwice, () => encoder.forward(x, layout, EVALUATION, only));
    const some = forward(layout.first);
    const all = torch.indexSelect(forward(), 0, layout.first);

    expectClose(some, all, 1e-12);
    const gradient = (y: torch.Tensor) => torch.grad([torch.sum(torch.mul(y, weights))], [x])[0] as torch.Tensor;
    expectClose(gradient(some), gradient(all), 1e-12);
  },
);

describe.each(["bert", "roberta"])("%s", (family) => {
  test.each(["single", "tokens"])("a row's logits don't depend on other rows of the batch: %s", async (checkpoint) => {
    const rows = checkpoint === "tokens" ? "tokens-tokens" : "single-texts";
    const rowsOfBatch = goldenRows(readTensors(join(GOLDEN, family, `forward/${rows}.safetensors`)));
    const model = await load(`${family}/${checkpoint}`);
    const together = model.forward(modelInput(rowsOfBatch), EVALUATION);
    const alone = rowsOfBatch.map((row) => model.forward(modelInput([row]), EVALUATION));
    expectClose(torch.cat(alone, 0), together, 1e-12);
  });

  test("second derivatives: a Hessian-vector product agrees with finite differences of gradients", async () => {
    const model = await load(`${family}/single`);
    const input = goldenInput(readTensors(join(GOLDEN, family, "forward/single-pairs.safetensors")));
    const place = parameter(model, `${family}.encoder.layer.0.attention.self.query.weight`);
    const start = place.tensor;
    const generator = new torch.Generator(9);
    const direction = torch.normal_(torch.emptyLike(start), 0, 1, { generator });
    const gradientAt = (weight: torch.Tensor, createGraph: boolean) => {
      place.swap(weight);
      const loss = torch.sum(torch.square(twiceDifferentiable(() => model.forward(input, EVALUATION))));
      return torch.grad([loss], [weight], { createGraph })[0] as torch.Tensor;
    };
    const shifted = (epsilon: number) =>
      gradientAt(torch.detach(torch.add(start, direction, { alpha: epsilon })).setRequiresGrad(true), false);

    const weight = torch.clone(start).setRequiresGrad(true);
    const slope = torch.sum(torch.mul(gradientAt(weight, true), direction));
    const exact = torch.grad([slope], [weight])[0] as torch.Tensor;
    const differences = torch.divScalar(torch.sub(shifted(1e-5), shifted(-1e-5)), 2e-5);

    expectClose(differences, exact, 1e-6);
  });
});

test("RoBERTa's positions start after the padding token's id; padding tokens in a text are not counted", async () => {
  const model = await load("roberta/single");
  for (const name of ["word_embeddings", "token_type_embeddings"]) {
    torch.zero_(parameter(model, `roberta.embeddings.${name}.weight`).tensor);
  }
  const table = torch.narrow(torch.eye(50, { dtype: "float64" }), 1, 0, 36);
  parameter(model, "roberta.embeddings.position_embeddings.weight").fill(torch.contiguous(table));
  torch.fill_(parameter(model, "roberta.embeddings.LayerNorm.weight").tensor, 1);
  torch.zero_(parameter(model, "roberta.embeddings.LayerNorm.bias").tensor);

  const input = modelInput(tokenRows([5, 3], [0, 5, 1, 6, 2, 0, 7, 2]));
  const embedded = model.hiddenStates(input, EVALUATION)[0] as torch.Tensor;

  expect(torch.argmax(embedded, 1).toArray()).toEqual([2, 3, 1, 4, 5, 2, 3, 4]);
});

test("maxTokens is the number of usable rows of the position table", () => {
  const config = { model_type: "x", max_position_embeddings: 514, pad_token_id: 1 };
  expect(ARCHITECTURES.bert.parseConfig(config).maxTokens).toBe(514);
  expect(ARCHITECTURES.roberta.parseConfig(config).maxTokens).toBe(512);
});

test("class names are transformers'", () => {
  const nameOf = (type: ModelType, kind: TaskKind) => ARCHITECTURES[type].className + TASKS[kind].head.className;
  expect(nameOf("xlm-roberta", "regression")).toBe("XLMRobertaForSequenceClassification");
  expect(nameOf("camembert", "token-classification")).toBe("CamembertForTokenClassification");
});
