// Which layers baseDtype packs, beside transformers with bitsandbytes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/formats/checkpoint.js";
import { AdapterRoutes, attachAdapter, loraConfig, type SavedAdapter } from "../../src/models/adapters/index.js";
import {
  type LoadedModel,
  type LoadModelOptions,
  loadModel,
  modelInput,
  type TaskModel,
} from "../../src/models/index.js";
import { EVALUATION, Linear, PackedWeight } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { canRoundInputs } from "../../src/torch/operators/choose.js";
import { expectClose, get, readTensors, tokenRows } from "../parity/goldenFiles.js";
import { GOLDEN } from "../support/golden.js";
import { expectSameBits } from "../torch/sameBits.js";
import { headFor, ownHead } from "./ownHead.js";

const golden = (name: string) => join(GOLDEN, `io/bitsandbytes/${name}`);
const theirs = JSON.parse(readFileSync(golden("packed-layers.json"), "utf8")) as Readonly<Record<string, string[]>>;

const open = (folder: string, options: Partial<LoadModelOptions>, head = ownHead(readConfig(folder))) =>
  loadModel(folder, { ...head, dtype: "float32", generator: new torch.Generator(0), ...options });

const layersOf = ({ model }: Pick<LoadedModel, "model">) =>
  [...model.namedModules()].filter((named): named is [string, Linear] => named[1] instanceof Linear);
const isPacked = (layer: Linear) => layer.weight.isFilled && layer.weight.values instanceof PackedWeight;
const packedPaths = (loaded: Pick<LoadedModel, "model">) =>
  layersOf(loaded).flatMap(([path, layer]) => (isPacked(layer) ? [path] : []));

test.each(Object.entries(theirs))("%s: the layers that transformers packs", async (folder, layers) => {
  const loaded = await open(join(GOLDEN, folder), { baseDtype: "nf4" });
  const unused = layersOf(loaded).flatMap(([path, { isUnused }]) => (isUnused ? [path] : []));
  expect(packedPaths(loaded).sort()).toEqual(layers.filter((path) => !unused.includes(path)));
});

describe("BERT's pooler", () => {
  const folder = golden("bert-pooled");
  const ran = readTensors(golden("bert-pooled.safetensors"));
  const input = () => modelInput(tokenRows(get(ran, "lengths").toArray(), [...get(ran, "ids").toArray()]));
  const pooler = "bert.pooler.dense";

  test.each(["nf4", "fp4", "int8"] as const)("is packed in %s: logits are those of transformers", async (baseDtype) => {
    const { model } = await open(folder, { baseDtype });
    const logits = torch.noGrad(() => model.forward(input(), EVALUATION));
    expectClose(logits, get(ran, `${baseDtype}/logits`), 2e-5);
  });

  test("computes in float32 in a bfloat16 model", async () => {
    const loaded = await open(folder, { baseDtype: "nf4", dtype: "bfloat16" });
    const { values } = new Map(layersOf(loaded)).get(pooler)!.weight;
    expect([values.dtype, values.isDense]).toEqual(["float32", false]);
    expect(torch.noGrad(() => loaded.model.forward(input(), EVALUATION)).dtype).toBe("float32");
  });

  test.skipIf(!canRoundInputs())("is int8 where the backbone is w8a8", async () => {
    const loaded = await open(folder, { baseDtype: "w8a8", dtype: "bfloat16" });
    const values = new Map(layersOf(loaded)).get(pooler)!.weight.values as PackedWeight;
    expect([values.format.name, values.dtype]).toEqual(["int8", "float32"]);
    expect(torch.noGrad(() => loaded.model.forward(input(), EVALUATION)).dtype).toBe("float32");
  });

  test("is dense where it is drawn, as the classifier is", async () => {
    const head = headFor("sequence-classification", 3);
    const loaded = await open(join(GOLDEN, "bert/no-prefix"), { baseDtype: "nf4", dtype: "bfloat16" }, head);
    expect(loaded.trainedModules).toEqual(["bert.pooler", "classifier"]);
    expect(packedPaths(loaded).length).toBeGreaterThan(5);
    for (const path of [pooler, "classifier"]) {
      const { values } = new Map(layersOf(loaded)).get(path)!.weight;
      expect([values.dtype, values.isDense], path).toEqual(["float32", true]);
    }
  });

  /** An adapter that has saved the pooler whole. */
  function savedWith(model: TaskModel): SavedAdapter {
    const draw = (shape: readonly number[]) => torch.normal_(torch.empty(shape), 0, 0.1);
    const tensors = new Map(
      [...model.namedParameters()]
        .filter(([path]) => path.startsWith(pooler) || path.startsWith("classifier"))
        .map(([path, { shape }]) => [path, draw(shape)]),
    );
    for (const name of ["query", "value"]) {
      const path = `bert.encoder.layer.0.attention.self.${name}`;
      tensors.set(`${path}.lora_A.weight`, draw([2, 64])).set(`${path}.lora_B.weight`, draw([64, 2]));
    }
    const config = loraConfig({ targetModules: ["query", "value"], rank: 2, modulesToSave: ["pooler", "classifier"] });
    return { config, tensors, metadata: undefined, taskType: "SEQ_CLS", baseModel: "x", revision: undefined };
  }
  const poolerOf = (model: TaskModel) => new Map(layersOf({ model })).get(pooler)!.weight.values;
  const logitsOf = (model: TaskModel) => torch.noGrad(() => model.forward(input(), EVALUATION));

  test("is replaced by that of an adapter that has saved it whole", async () => {
    const { model } = await open(folder, { baseDtype: "nf4" });
    const saved = savedWith(model);
    attachAdapter(model, saved, { generator: new torch.Generator(0) });
    expectSameBits(poolerOf(model).tensor, saved.tensors.get(`${pooler}.weight`)!);
  });

  test("is replaced in the passes of such an adapter among several", async () => {
    const [{ model }, { model: alone }] = [
      await open(folder, { baseDtype: "nf4" }),
      await open(folder, { baseDtype: "nf4" }),
    ];
    const before = logitsOf(model);
    const saved = savedWith(model);
    const routes = new AdapterRoutes(model, new Map([["own", saved]]));
    attachAdapter(alone, saved, { generator: new torch.Generator(0) });
    const tokens = get(ran, "ids").numel;
    const found = routes.pass([{ adapter: "own", tokens, selected: 4 }], () => logitsOf(model));
    expectClose(found, logitsOf(alone), 1e-6);
    expect(poolerOf(model)).toBeInstanceOf(PackedWeight);
    expectSameBits(
      routes.pass([{ adapter: undefined, tokens, selected: 4 }], () => logitsOf(model)),
      before,
    );
    routes.dispose();
  });
});
