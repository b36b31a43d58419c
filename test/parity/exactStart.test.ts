import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  type AdapterMethod,
  type DoraConfig,
  doraConfig,
  eject,
  inject,
  type LowRankConfig,
  loraConfig,
  type TargetedConfig,
} from "../../src/models/adapters/index.js";
import type { TaskModel } from "../../src/models/index.js";
import { EVALUATION, type ForwardContext } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { few } from "../support/few.js";
import { differentiable } from "../torch/operators/passes.js";
import { expectSameBits } from "../torch/sameBits.js";
import { families, goldenInput, manifest } from "./goldenFiles.js";
import { openModel } from "./support/adapted.js";
import { goldenTensors } from "./support/cases.js";

/** Target modules under the names of any family. */
const QUERY_VALUE = [
  "query",
  "value",
  "q_lin",
  "v_lin",
  "query_proj",
  "value_proj",
  "Wqkv",
  "c_attn",
  "q_proj",
  "v_proj",
  "qkv_proj",
];
const TABLES = ["word_embeddings", "tok_embeddings", "wte", "embed_tokens"];
const FEED_FORWARD = ["intermediate.dense", "output.dense", "lin1", "lin2", "Wi", "Wo", "c_fc", "c_proj", "down_proj"];
const everywhere: Partial<LowRankConfig> = {
  rank: 3,
  targetModules: [...TABLES, ...QUERY_VALUE, ...FEED_FORWARD],
  modulesToSave: ["classifier", "score"],
};
const dora = (options: Partial<DoraConfig>) => doraConfig({ ...everywhere, ...options });
/** Some families have layers here that are too narrow for the default blocks. */
const NARROW: Readonly<Record<string, Partial<TargetedConfig>>> = { oft: { excludeModules: ["regression"] } };
/** A configuration of every method in the table, with its default settings but for the rank, since some layers have 2 inputs. */
const byDefault = Object.entries<AdapterMethod>(ADAPTER_METHODS).map(([name, method]) => ({
  method: `${name} on all layers`,
  config: method.config({ targetModules: "all-linear", rank: 2, ...NARROW[name] } as Partial<TargetedConfig>),
}));
const configs = [
  ...byDefault,
  { method: "lora", config: loraConfig(everywhere) },
  {
    method: "lora with a bias of B",
    config: loraConfig({ ...everywhere, targetModules: [...QUERY_VALUE, "dense"], loraBias: true }),
  },
  { method: "rslora", config: loraConfig({ ...everywhere, rslora: true }) },
  { method: "dora, axis out", config: dora({}) },
  { method: "dora, axis in", config: dora({ axis: "in" }) },
  { method: "bidora, axis out", config: dora({ normGradient: "full" }) },
  { method: "bidora, axis in", config: dora({ axis: "in", normGradient: "full" }) },
];
const training: ForwardContext = { masks: undefined };

/** A pass in evaluation, in training, and one that is differentiated twice. */
const PASSES = [
  [EVALUATION, false],
  [training, false],
  [training, true],
] as const;

describe.each(families)("%s: before the first step", (family) => {
  const { checkpoint, file } = manifest(family).forward[0]!;
  const input = goldenInput(goldenTensors(family, file));
  const outputsOf = (model: TaskModel) =>
    PASSES.map(([context, isTwice]) => differentiable(isTwice, () => model.forward(input, context)));
  /** The pretrained model's outputs by dtype. */
  const expected = new Map<torch.DType, torch.Tensor[]>();

  test.each(few(configs, 4))("$method gives the same bits as the pretrained model", async ({ config }) => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      const model = await openModel(family, checkpoint, dtype);
      const before = expected.get(dtype) ?? outputsOf(model);
      expected.set(dtype, before);
      const start = () => inject(model, config, { generator: new torch.Generator(3) });
      if (family === "gpt2" && ["miss", "delora"].includes(config.method)) {
        expect(start).toThrow("is a Conv1D");
        continue;
      }
      const hasBiases = [...model.namedParameters()].some(([name]) => name.endsWith(".bias"));
      if (config.bias === "all" && !hasBiases) {
        expect(start).toThrow("this model has neither biases nor a head");
        continue;
      }
      if (config.method === "oft" && family === "gpt2") {
        expect(start).toThrow(
          "OFT goes to nn.Linear layers only, as in PEFT, and transformer.h.0.attn.c_attn is a Conv1D",
        );
        continue;
      }
      const adapted = start();
      for (const [i, output] of outputsOf(model).entries()) expectSameBits(output, before[i]!);
      eject(adapted);
      expectSameBits(model.forward(input, EVALUATION), before[0]!);
    }
  });
});
