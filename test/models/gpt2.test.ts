import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import {
  adaptsTransposed,
  attachAdapter,
  inject,
  loraConfig,
  readAdapter,
  savedTensors,
  writeAdapter,
} from "../../src/models/adapters/index.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { type LoadedModel, loadModel, modelInput } from "../../src/models/index.js";
import { writeModelFolder } from "../../src/models/loading/modelFolder.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import { inferTask, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { expectClose, GOLDEN, get, readJson, readTensors, tokenRows } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const THREE = headFor("sequence-classification", 3);

function load(changes: Changes = {}, folder = "single", head = THREE): Promise<LoadedModel> {
  const checkpoint = changedCheckpoint(`gpt2/${folder}`, changes);
  return loadModel(checkpoint, { ...head, dtype: "float32", generator: new torch.Generator(5) });
}

const parse = (config: JsonObject) => ARCHITECTURES.gpt2.parseConfig({ model_type: "gpt2", ...config });

const temporary = () => mkdtempSync(join(tmpdir(), "bidora-gpt2-"));

test("missing settings have transformers' defaults", () => {
  expect(parse({})).toEqual({
    vocabSize: 50257,
    typeVocabSize: 0,
    layers: 12,
    hiddenSize: 768,
    heads: 12,
    intermediateSize: 3072,
    activation: "gelu_new",
    layerNormEpsilon: 1e-5,
    embeddingDropout: 0.1,
    residualDropout: 0.1,
    attentionDropout: 0.1,
    classifierDropout: 0.1,
    scalesAttention: true,
    scalesByLayer: false,
    tiesEmbeddings: true,
    maxTokens: 1024,
    padTokenId: undefined,
    initializerRange: 0.02,
  });
});

test("common names of sizes take precedence over GPT-2's, as in transformers", () => {
  const common = { hidden_size: 48, num_attention_heads: 4, num_hidden_layers: 2, max_position_embeddings: 9 };
  const expected = { hiddenSize: 48, heads: 4, layers: 2, maxTokens: 9, intermediateSize: 192 };
  expect(parse({ ...common, n_embd: 36, n_head: 3, n_layer: 5, n_positions: 7, n_ctx: 8 })).toMatchObject(expected);
});

test.each([
  [{ classifier_dropout: 0.3, hidden_dropout: 0.2 }, 0.3],
  [{ classifier_dropout: null, hidden_dropout: 0.2 }, 0.2],
])("of %o the head of tokens takes %d", (config, expected) => {
  expect(parse(config).classifierDropout).toBe(expected);
});

test("checkpoints of the bare model have no prefix", async () => {
  const backbone = ({ model }: LoadedModel) =>
    [...model.namedParameters()].filter(([path]) => path !== "score.weight").map(([, p]) => p.tensor.toArray());
  const rename = (name: string) => (name === "score.weight" ? undefined : name.replace(/^transformer\./, ""));
  expect(backbone(await load({ rename }))).toEqual(backbone(await load()));
});

test("masks in old checkpoints are ignored", async () => {
  const rename = (name: string) => (name === "score.weight" ? "transformer.h.0.attn.bias" : name);
  expect((await load({ rename })).initialized).toEqual(["score"]);
});

test("attention scores are unscaled, or divided by the layer's number, if the configuration says so", async () => {
  const input = modelInput(tokenRows([5], [2, 9, 4, 30, 7]));
  const states = async (config: JsonObject) => (await load({ config })).model.hiddenStates(input, EVALUATION);
  const [plain, unscaled, byLayer] = await Promise.all([
    states({ attn_pdrop: 0 }),
    states({ scale_attn_weights: false }),
    states({ scale_attn_by_inverse_layer_idx: true }),
  ]);
  expect(byLayer[1]!.toArray()).toEqual(plain[1]!.toArray());
  expect(byLayer[2]!.toArray()).not.toEqual(plain[2]!.toArray());
  expect(unscaled[1]!.toArray()).not.toEqual(plain[1]!.toArray());
});

test.each<[Changes, RegExp]>([
  [{ config: { add_cross_attention: true } }, /add_cross_attention true is not supported/],
  [{ config: { n_head: 4 } }, /n_embd \(18\) must be a multiple of n_head \(4\)/],
  [{ config: { n_inner: 20 } }, /c_fc\.weight in .* has shape \[18, 28\], but config\.json requires \[18, 20\]\.$/],
  [{ config: { activation_function: "mish" } }, /activation "mish" is not supported/],
])("refuses %o", async (changes, message) => {
  await expect(load(changes)).rejects.toThrow(message);
});

test("the class for language modeling is GPT2LMHeadModel, in files read and written", () => {
  const config = { model_type: "gpt2", architectures: ["GPT2LMHeadModel"] };
  expect(inferTask(config)?.kind).toBe("causal-lm");
  expect(inferTask({ ...config, model_type: "bert" })).toBeUndefined();
});

test("a model is written as it was read, with weights transposed back", async () => {
  const source = join(GOLDEN, "gpt2/lm");
  const loaded = await load({}, "lm", headFor("causal-lm", 0));
  const folder = temporary();
  writeModelFolder(folder, { ...loaded, source, task: TASKS["causal-lm"], labels: [], dtype: "float32" });
  const [written, original] = [folder, source].map((at) => readTensors(join(at, "model.safetensors")));
  expect([...written!.keys()].sort()).toEqual([...original!.keys()].sort());
  for (const [name, tensor] of original!) expectClose(get(written!, name), tensor, 1e-30, name);
  expect(readJson<JsonObject>(join(folder, "config.json")).architectures).toEqual(["GPT2LMHeadModel"]);
});

test("adapters have fan_in_fan_out set, and modules_to_save in the base model's layout", async () => {
  const options = { generator: new torch.Generator(3) };
  const { model } = await load();
  const config = loraConfig({ rank: 2, targetModules: ["c_attn"], modulesToSave: ["attn.c_proj", "score"] });
  const adapted = inject(model, config, options);
  const folder = temporary();
  const origin = { taskType: "SEQ_CLS", baseModel: undefined, revision: undefined, metadata: undefined };
  const tensors = savedTensors(adapted);
  writeAdapter(folder, { ...origin, config, tensors, adaptsTransposed: adaptsTransposed(adapted) });
  expect(readJson<JsonObject>(join(folder, "adapter_config.json")).fan_in_fan_out).toBe(true);

  const name = "transformer.h.1.attn.c_proj.weight";
  const stored = get(readTensors(join(GOLDEN, "gpt2/single/model.safetensors")), name);
  const saved = await readAdapter(folder);
  expect(saved.adaptsTransposed).toBe(true);
  expect(saved.tensors.get(name)?.toArray()).toEqual(stored.toArray());
  const again = attachAdapter((await load()).model, saved, options);
  expect(savedTensors(again).get(name)?.toArray()).toEqual(stored.toArray());
});
