import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import {
  attachAdapter,
  doraConfig,
  inject,
  merge,
  readAdapter,
  type TargetedConfig,
} from "../../src/models/adapters/index.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { type Architecture, type LoadedModel, loadModel, modelInput } from "../../src/models/index.js";
import { writeModelFolder } from "../../src/models/loading/modelFolder.js";
import { type Dropout, EVALUATION, type MaskSource } from "../../src/models/nn/index.js";
import { TASKS, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { expectClose, GOLDEN, goldenInput, readTensors, relativeError, tokenRows } from "../parity/goldenFiles.js";
import { type Changes, changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const newFolder = temporaryFolders();
const SEQUENCE: TaskKind = "sequence-classification";
const esm: Architecture = ARCHITECTURES.esm;

function load(changes: Changes = {}, kind = SEQUENCE, folder = "esm/single", dtype: torch.DType = "float32") {
  const checkpoint = changedCheckpoint(folder, changes);
  return loadModel(checkpoint, { ...headFor(kind, 3), dtype, generator: new torch.Generator(5) });
}

const texts = () => goldenInput(readTensors(join(GOLDEN, "esm/forward/single-texts.safetensors")));
const buffers = ({ model }: LoadedModel) =>
  Object.fromEntries(Array.from(model.namedBuffers(), ([path, { tensor }]) => [path, tensor.toArray()]));

test("missing settings have transformers' defaults", () => {
  expect(esm.parseConfig({ model_type: "esm", vocab_size: 33, pad_token_id: 1 })).toEqual({
    vocabSize: 33,
    hiddenSize: 768,
    layers: 12,
    heads: 12,
    intermediateSize: 3072,
    layerNormEpsilon: 1e-12,
    hiddenDropout: 0.1,
    attentionDropout: 0.1,
    classifierDropout: 0.1,
    typeVocabSize: 0,
    padTokenId: 1,
    maskTokenId: undefined,
    normsEmbeddings: false,
    initializerRange: 0.02,
    positions: 1026,
    frequencies: undefined,
    maxTokens: 1024,
  });
});

test("rotary positions don't limit the length of rows, and follow rope_theta", () => {
  const rotary = { position_embedding_type: "rotary", vocab_size: 33, hidden_size: 32, num_attention_heads: 4 };
  expect(esm.parseConfig(rotary)).toMatchObject({ positions: undefined, maxTokens: Number.POSITIVE_INFINITY });
  const { frequencies } = esm.parseConfig({ ...rotary, rope_theta: 16 }) as unknown as { frequencies: Float32Array };
  expect([...frequencies]).toEqual([1, 0.5, 0.25, 0.125]);
});

// A word's embedding doesn't depend on its position; its scale shows how many masks its row has.
test("token dropout: masks are zero, and the row's other tokens are scaled to the share of masks in pretraining", async () => {
  const { model } = await load({}, SEQUENCE, "esm/single", "float64");
  const [mask, word] = [64, 70];
  const input = modelInput(tokenRows([2, 4, 1], [word, 7, word, mask, mask, 9, mask]));
  const embedded = model.hiddenStates(input, EVALUATION)[0] as torch.Tensor;
  const row = (i: number) => torch.narrow(embedded, 0, i, 1);
  expectClose(row(2), torch.mulScalar(row(0), 1 / 0.5), 1e-7);
  for (const masked of [3, 4])
    expect(
      row(masked)
        .toArray()
        .every((value) => value === 0),
    ).toBe(true);
  const table = new Map(model.namedParameters()).get("esm.embeddings.word_embeddings.weight")!.tensor;
  expectClose(row(0), torch.mulScalar(torch.narrow(table, 0, word, 1), 0.88), 1e-12);
});

test("without token dropout, mask tokens are ordinary tokens", async () => {
  const { model } = await load({ config: { token_dropout: false } }, SEQUENCE, "esm/single", "float64");
  const embedded = model.hiddenStates(modelInput(tokenRows([2], [64, 7])), EVALUATION)[0] as torch.Tensor;
  const table = new Map(model.namedParameters()).get("esm.embeddings.word_embeddings.weight")!.tensor;
  expectClose(torch.narrow(embedded, 0, 0, 1), torch.narrow(table, 0, 64, 1), 1e-12);
});

test("rotary frequencies are read from the checkpoint under each of their names, and never trained", async () => {
  const star = "esm.encoder.layer.*.attention.self.rotary_embeddings.inv_freq";
  const path = "esm.rotary_embeddings.inv_freq";
  const without = await load({ rename: (name) => (name === star ? undefined : name) });
  expect(buffers(without)[path]).toEqual(buffers(await load())[path]);
  const renamed = (name: string): Changes => ({
    config: { rope_theta: 3 },
    rename: (from) => (from === star ? name : from),
  });
  for (const name of [star, path, path.slice(4), star.replace("*", "0")])
    expect(buffers(await load(renamed(name)))[path], name).toEqual(buffers(without)[path]);
  expect(buffers(await load(renamed("none")))[path]).not.toEqual(buffers(without)[path]);
  expect([...without.model.namedParameters()].map(([name]) => name)).not.toContain(path);
  const half = await load({}, SEQUENCE, "esm/single", "bfloat16");
  expect(buffers(half)).toEqual(buffers(without));
});

test("written models have frequencies and contact head, unrounded", async () => {
  const loaded = await load();
  const source = join(GOLDEN, "esm/single");
  const folder = newFolder();
  writeModelFolder(folder, {
    ...loaded,
    source,
    task: TASKS[SEQUENCE],
    labels: ["alpha", "beta", "gamma"],
    dtype: "bfloat16",
  });
  const written = readTensors(join(folder, "model.safetensors"));
  for (const [path, values] of Object.entries(buffers(loaded)))
    expect([written.get(path)?.dtype, written.get(path)?.toArray()], path).toEqual(["float32", values]);
  const contacts = "esm.contact_head.regression.weight";
  expect(buffers(loaded)[contacts]).toEqual(readTensors(join(source, "model.safetensors")).get(contacts)!.toArray());
});

const PEFT = join(GOLDEN, "esm/adapters/dora-all-linear");
const CONTACTS = "esm.contact_head.regression";

test("all-linear includes the contact head, as in PEFT, but only its adapter is trained", async () => {
  const generator = new torch.Generator(1);
  const config = doraConfig({ targetModules: "all-linear", modulesToSave: ["classifier"], bias: "adapted" });
  const { modules, trained } = inject((await load()).model, config, { generator });
  const listed = (await readAdapter(PEFT)).config as TargetedConfig;
  expect(modules.map(({ path }) => path).sort()).toEqual(
    (listed.targetModules as string[]).filter((path) => !path.startsWith("classifier.")).sort(),
  );
  const here = trained.filter(({ name }) => name.startsWith(CONTACTS)).map(({ name, decays }) => [name, decays]);
  expect(here.map(([name]) => (name as string).split(".").at(-2))).toEqual(["lora_A", "lora_B", "regression"]);
  expect(here.map(([, decays]) => decays)).toEqual([false, false, false]);
});

test("an adapter of the contact head is merged into it, also one with the unchanged bias, as PEFT saves it", async () => {
  const saved = await readAdapter(PEFT);
  const loaded = await load();
  const bias = buffers(loaded)[`${CONTACTS}.bias`] as number[];
  const attach = (values: number[]) => {
    const tensors = new Map([...saved.tensors, [`${CONTACTS}.base_layer.bias`, torch.tensor(values)] as const]);
    return attachAdapter(loaded.model, { ...saved, tensors }, { generator: new torch.Generator(1) });
  };
  expect(() => attach([bias[0]! + 1])).toThrow(
    /contains its own bias, esm\.contact_head\.regression\.base_layer\.bias/,
  );
  const before = buffers(loaded);
  const undo = merge(attach(bias));
  expect(buffers(loaded)[`${CONTACTS}.weight`]).not.toEqual(before[`${CONTACTS}.weight`]);
  undo();
  expect(buffers(loaded)).toEqual(before);
});

test("the hidden dropout applies twice in the sequence classifier and once in the token classifier", async () => {
  const uses: unknown[] = [];
  const masks: MaskSource = { draw: (dropout) => ({ seed: 1, stream: uses.push(dropout) }) };
  const config = { hidden_dropout_prob: 0.25, classifier_dropout: 0.5 };
  const { model } = await load({ config });
  model.forward(texts(), { ...EVALUATION, masks });
  const paths = new Map(Array.from(model.namedModules(), ([path, module]) => [module as unknown, path]));
  const used = uses.map((dropout) => paths.get(dropout));
  expect(used).toEqual([
    ...[0, 1].flatMap((i) => [
      `esm.encoder.layer.${i}.attention.output.dropout`,
      `esm.encoder.layer.${i}.output.dropout`,
    ]),
    "classifier.dropout",
    "classifier.dropout",
  ]);
  for (const dropout of uses) expect((dropout as Dropout).p).toBe(0.25);
});

test("attention dropout", async () => {
  const { model } = await load({ config: { attention_probs_dropout_prob: 0.9 } });
  const masks: MaskSource = { draw: () => ({ seed: 1, stream: 2 }) };
  const plain = model.forward(texts(), EVALUATION);
  expect(relativeError(model.forward(texts(), { ...EVALUATION, masks }), plain)).toBeGreaterThan(1e-3);
});

const small: JsonObject = { position_embedding_type: "relative_key" };
test.each<[Changes, RegExp, TaskKind?]>([
  [{ config: small }, /position_embedding_type "relative_key" is not supported; supported are absolute, rotary\.$/],
  [{ config: { is_folding_model: true } }, /is_folding_model true is not supported/],
  [{ config: { is_decoder: true } }, /is_decoder true is not supported/],
  [{ config: { vocab_size: null } }, /vocab_size must be a whole number of at least 1, but is missing\.$/],
  [{ config: { mask_token_id: null } }, /token_dropout requires a mask_token_id, but there is none\.$/],
  [{ config: { rope_scaling: { type: "linear" } } }, /rope_scaling is not supported; expected no such key\.$/],
  [{ config: { head_dim: 4 } }, /head_dim 4 is not supported; expected 8 or no such key\.$/],
  [{ config: { emb_layer_norm_before: true } }, /lacks the weight esm\.embeddings\.layer_norm\.weight/],
  [
    { config: { position_embedding_type: "absolute", pad_token_id: null } },
    /pad_token_id must be .*, but is missing\.$/,
  ],
  [{}, /EsmForQuestionAnswering is not supported\.$/, "question-answering"],
])("refuses %o", async (changes, message, kind) => {
  await expect(load(changes, kind)).rejects.toThrow(message);
});
