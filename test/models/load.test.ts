import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type LoadedModel, type LoadModelOptions, loadModel } from "../../src/models/index.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN, readTensors } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { withLargeTables } from "./largeTables.js";
import { headFor } from "./ownHead.js";

const THREE = headFor("sequence-classification", 3);
const TWO = headFor("sequence-classification", 2);
type Head = typeof TWO;

function options(head: Head, more: Partial<LoadModelOptions> = {}): LoadModelOptions {
  return { ...head, dtype: "float32", generator: new torch.Generator(5), ...more };
}

function load(
  folder: string,
  head: Head,
  changes: Changes = {},
  more: Partial<LoadModelOptions> = {},
): Promise<LoadedModel> {
  return loadModel(changedCheckpoint(folder, changes), options(head, more));
}

function parameters(loaded: LoadedModel): Record<string, number[]> {
  return Object.fromEntries(Array.from(loaded.model.namedParameters(), ([path, p]) => [path, p.tensor.toArray()]));
}

test.each(["old-names", "sharded"])("bert/%s holds the same parameters as bert/single", async (folder) => {
  const expected = await load("bert/single", THREE);
  const loaded = await loadModel(join(GOLDEN, "bert", folder), options(THREE));
  expect(parameters(loaded)).toEqual(parameters(expected));
  expect(loaded.initialized).toEqual([]);
  expect(loaded.trainedModules).toEqual(["classifier"]);
});

test("a bare encoder with old names: pooler and classifier are initialized, reproducibly", async () => {
  const rename = (name: string) => name.replace("LayerNorm.weight", "LayerNorm.gamma");
  const first = await load("bert/no-prefix", TWO, { rename });
  expect(first.initialized).toEqual(["bert.pooler.dense", "classifier"]);
  expect(first.trainedModules).toEqual(["bert.pooler", "classifier"]);
  const file = readTensors(join(GOLDEN, "bert/no-prefix/model.safetensors"));
  const name = "encoder.layer.1.output.LayerNorm.weight";
  expect(parameters(first)[`bert.${name}`]).toEqual(file.get(name)?.toArray());
  expect(parameters(await load("bert/no-prefix", TWO))).toEqual(parameters(first));
  const other = await load("bert/no-prefix", TWO, {}, { generator: new torch.Generator(6) });
  expect(parameters(other)["classifier.weight"]).not.toEqual(parameters(first)["classifier.weight"]);
});

test("new weights are normal with initializer_range as deviation, and biases 0", async () => {
  const loaded = await load("bert/no-prefix", TWO, { config: { initializer_range: 0.5 } });
  const { "bert.pooler.dense.weight": weight, "bert.pooler.dense.bias": bias } = parameters(loaded);
  const squares = weight!.map((value) => value * value);
  const deviation = Math.sqrt(squares.reduce((sum, square) => sum + square) / squares.length);
  expect(deviation).toBeGreaterThan(0.45);
  expect(deviation).toBeLessThan(0.55);
  expect(new Set(bias)).toEqual(new Set([0]));
});

test("another number of labels initializes only the last layer", async () => {
  expect((await load("bert/single", TWO)).initialized).toEqual(["classifier"]);
  const loaded = await load("roberta/single", TWO);
  expect(loaded.initialized).toEqual(["classifier.out_proj"]);
  expect(loaded.trainedModules).toEqual(["classifier"]);
});

test("new-head initializes a classifier that would fit, and keeps the pooler", async () => {
  const kept = await load("bert/single", THREE);
  const loaded = await load("bert/single", THREE, {}, { initWeights: "new-head" });
  expect(loaded.initialized).toEqual(["classifier"]);
  expect(parameters(loaded)["bert.pooler.dense.weight"]).toEqual(parameters(kept)["bert.pooler.dense.weight"]);
  const roberta = await load("roberta/single", THREE, {}, { initWeights: "new-head" });
  expect(roberta.initialized).toEqual(["classifier.dense", "classifier.out_proj"]);
});

test.each([
  ["bfloat16", "float32"],
  ["float64", "float64"],
] as const)("with %s weights the head has %s", async (dtype, headDtype) => {
  const { model } = await load("bert/no-prefix", TWO, {}, { dtype });
  for (const [path, parameter] of model.namedParameters()) {
    const isHead = path.startsWith("classifier") || path.startsWith("bert.pooler");
    expect(parameter.tensor.dtype, path).toBe(isHead ? headDtype : dtype);
    expect(parameter.tensor.requiresGrad, path).toBe(false);
  }
});

test("the error for a missing weight lists the names that were looked for", async () => {
  const rename = (name: string) => (name === "bert.encoder.layer.2.output.LayerNorm.bias" ? undefined : name);
  await expect(load("bert/single", THREE, { rename })).rejects.toThrow(
    /bert\/single lacks the weight bert\.encoder\.layer\.2\.output\.LayerNorm\.bias; looked for bert\.encoder\.layer\.2\.output\.LayerNorm\.bias, encoder\.layer\.2\.output\.LayerNorm\.bias, bert\.encoder\.layer\.2\.output\.LayerNorm\.beta, encoder\.layer\.2\.output\.LayerNorm\.beta\.$/,
  );
});

test.each([
  [{ intermediate_size: 50 }, /layer\.0\.intermediate\.dense\.weight in .* has shape \[52, 36\], but .* \[50, 36\]/],
  [{ model_type: undefined }, /model_type is missing; supported are bert, roberta/],
  [{ model_type: "robreta" }, /"robreta" is not supported; .*\. Did you mean "roberta"\?$/],
  [{ num_hidden_layers: 1e6 }, /it has 1000000 layers, but the checkpoint has only \d+ tensors/],
  [{ vocab_size: 1e9 }, /has shape \[117, 36\], but config\.json requires \[1000000000, 36\]/],
  [{ model_type: "whisper" }, /"whisper" is not supported; supported are bert, roberta, .*\.$/],
  [{ model_type: null }, /model_type null is not supported/],
  [{ model_type: "toString" }, /model_type "toString" is not supported/],
  [{ position_embedding_type: "relative_key" }, /position_embedding_type "relative_key" is not supported/],
  [{ is_decoder: true }, /is_decoder true is not supported/],
  [{ add_cross_attention: true }, /add_cross_attention true is not supported/],
  [{ num_attention_heads: 5 }, /hidden_size \(36\) must be a multiple of num_attention_heads \(5\)/],
  [{ hidden_size: "36" }, /hidden_size must be a whole number of at least 1, but is "36"/],
  [{ hidden_act: "mish" }, /activation "mish" is not supported/],
  [{ pad_token_id: 1e308 }, /pad_token_id must be a token id below vocab_size \(117\), but is 1e\+308/],
  [{ pad_token_id: 117 }, /pad_token_id must be a token id below vocab_size \(117\), but is 117/],
])("refuses %o", async (config, message) => {
  await expect(load("bert/single", THREE, { config })).rejects.toThrow(message);
});

test("refuses a configuration where padding takes all positions", async () => {
  await expect(load("roberta/single", THREE, { config: { pad_token_id: 49 } })).rejects.toThrow(
    /config\.json: max_position_embeddings \(50\) leaves no position for tokens after those reserved for padding\.$/,
  );
});

test("a head too large for memory is refused before it is allocated", async () => {
  await expect(load("bert/single", headFor("sequence-classification", 1e12))).rejects.toThrow(
    /^The model that config\.json describes, \d+ parameters, takes 137,835\.\d GiB of memory, but this machine has [\d,.]+ [MG]iB:/,
  );
});

test.each([
  ["lm", "float32", undefined, true],
  ["lm, converted", "bfloat16", undefined, false],
  ["lm, to be trained", "float32", "float32", false],
  ["lm-other, tied to the output layer", "float32", undefined, false],
] as const)(
  "the table of llama/%s in %s, master weights %s: mapped from the file %s",
  async (name, dtype, masterDtype, isMapped) => {
    const folder = withLargeTables(join(GOLDEN, "llama", name.split(",")[0]!));
    const file = join(folder, "model.safetensors");
    const loaded = await loadModel(
      folder,
      options(headFor("causal-lm", 0), { dtype, ...(masterDtype && { masterDtype }) }),
    );
    expect(readFileSync("/proc/self/maps", "utf8").includes(file)).toBe(isMapped);
    const table = torch.castTo(readTensors(file).get("model.embed_tokens.weight")!, dtype);
    expect(parameters(loaded)["model.embed_tokens.weight"]).toEqual(table.toArray());
  },
);
