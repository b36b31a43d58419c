import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  inject,
  readAdapter,
  savedTensors,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import type { BottleneckConfig } from "../../../src/models/adapters/methods/adapter.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { readJson } from "../../parity/goldenFiles.js";
import { SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined, metadata: undefined };
const { adapter } = ADAPTER_METHODS;
const MODEL = {
  modelType: "bert",
  defaultTargetModules: ["query"],
  subLayerOutputs: { attention: ["layer.0.query"], feedForward: ["query", "value"] },
};

const placed = (adapterPlacement: BottleneckConfig["adapterPlacement"]) =>
  adapter.config(adapter.fromSettings({ adapterSize: 3, adapterPlacement } as never, MODEL));

const put = (config: BottleneckConfig) =>
  inject(new SmallModel("float32"), config, { generator: new torch.Generator(3) });

describe("a new adapter", () => {
  test("has random down and zero up projections; biases do not decay", () => {
    const { trained } = put(adapter.config({ targetModules: ["0.query"], adapterSize: 500, trainsNorms: false }));
    expect(trained.map(({ name, tensor, decays }) => [name, [...tensor.shape], decays])).toEqual([
      ["encoder.layer.0.query.adapter_down.weight", [500, 5], true],
      ["encoder.layer.0.query.adapter_down.bias", [500], false],
      ["encoder.layer.0.query.adapter_up.weight", [5, 500], true],
      ["encoder.layer.0.query.adapter_up.bias", [5], false],
    ]);
    const [down, ...zeros] = trained.map(({ tensor }) => Array.from(tensor.toArray()));
    const deviation = Math.sqrt(down!.reduce((sum, value) => sum + value * value, 0) / down!.length);
    expect(Math.abs(deviation / 0.02 - 1)).toBeLessThan(0.05);
    expect(zeros.flat().every((value) => value === 0)).toBe(true);
  });

  test("of Houlsby follows both sub-layers and trains norms, which do not decay", () => {
    const { modules, trained } = put(placed("houlsby"));
    expect(modules.map(({ path }) => path.slice("encoder.layer.".length))).toEqual([
      "0.query",
      "0.value",
      "1.query",
      "1.value",
    ]);
    expect(trained.slice(-2).map(({ name, decays }) => [name, decays])).toEqual([
      ["norm.weight", false],
      ["norm.bias", false],
    ]);
  });

  test("of Pfeiffer follows feed-forward only, although an attention layer has the same end of name", () => {
    const { modules, trained } = put(placed("pfeiffer"));
    expect(modules.map(({ path }) => path.slice("encoder.layer.".length))).toEqual(["0.value", "1.query", "1.value"]);
    expect(trained.some(({ name }) => name.startsWith("norm"))).toBe(false);
  });

  test("trains a norm only once that modules_to_save names too", () => {
    const { trained } = put({ ...placed("houlsby"), modulesToSave: ["norm"] });
    expect(trained.filter(({ name }) => name === "norm.weight").length).toBe(1);
  });

  test("follows linear layers only", () => {
    expect(() => put(adapter.config({ targetModules: ["words"] }))).toThrow(/embedding words/);
  });
});

describe("a file", () => {
  function write(config: BottleneckConfig) {
    const folder = newFolder();
    const adapted = put(config);
    writeAdapter(folder, { config: adapted.config, tensors: savedTensors(adapted), ...ORIGIN });
    return folder;
  }

  test("is bidora's own, with every setting of its placement", async () => {
    for (const config of [placed("houlsby"), placed("pfeiffer"), { ...placed("pfeiffer"), nonLinearity: "silu" }]) {
      const folder = write(config);
      expect(readdirSync(folder).sort()).toEqual(["bidora.json", "bidora_adapter.safetensors"]);
      expect((await readAdapter(folder)).config).toEqual(config);
    }
    expect(readJson<object>(join(write(placed("houlsby")), "bidora.json"))).toMatchObject({
      method: "adapter",
      adapterConfig: { adapter_placement: "houlsby", adapter_size: 3, non_linearity: "gelu_new", trains_norms: true },
    });
  });

  test.each<[object, RegExp]>([
    [{ adapter_size: 0 }, /adapter_size is 0/],
    [{ adapter_placement: "parallel" }, /adapter_placement is "parallel"/],
    [{ trains_norms: "yes" }, /trains_norms is "yes"/],
  ])("with %j is refused", (json, message) => {
    const parse = () => adapter.codec.parse("f", { ...adapter.codec.defaults, ...json }, {});
    expect(parse).toThrow(message);
  });

  test("with an unknown non-linearity is refused by the model", () => {
    expect(() => put({ ...placed("pfeiffer"), nonLinearity: "maxout" })).toThrow(/"maxout" is not supported/);
  });
});
