// Starts that take a part out of the base, and those that draw A and B otherwise.

import { describe, expect, test } from "vitest";
import {
  type AdaptedModel,
  attachAdapter,
  doraConfig,
  eject,
  inject,
  type LowRankConfig,
  loraConfig,
  merge,
  savedTensors,
  toLora,
} from "../../../src/models/adapters/index.js";
import type { SavedStart } from "../../../src/models/adapters/lowRankConfig.js";
import { EVALUATION, SeededMasks } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { expectSameBits } from "../../torch/sameBits.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const options = () => ({ generator: new torch.Generator(3), dtype: "float64" }) as const;
const CONFIGS = { lora: loraConfig, dora: doraConfig };
const TARGETS = { targetModules: ["query", "value"], rank: 4, alpha: 6 };
const PARTS = ["pissa", "olora"] as const;
const STARTS = [...PARTS, "orthogonal", "gaussian", "eva", "default"] as const;

function started(start: SavedStart, method: "lora" | "dora" = "lora", settings: object = {}) {
  const model = new SmallModel();
  const config = CONFIGS[method]({ ...TARGETS, initLoraWeights: start, ...settings });
  return { model, adapted: inject(model, config, options()) as AdaptedModel<LowRankConfig & { method: string }> };
}

const movedAndSaved = (start: SavedStart, method: "lora" | "dora", settings: object = {}) => {
  const { model, adapted } = started(start, method, settings);
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const saved = {
    config: adapted.config,
    tensors: savedTensors(adapted),
    metadata: undefined,
    ...{ taskType: undefined, baseModel: undefined, revision: undefined },
  };
  return { model, adapted, saved };
};

describe.each(["lora", "dora"] as const)("%s", (method) => {
  test.each(STARTS)("with %s reproduces the model before the first step, in both modes and with dropout", (start) => {
    const plain = new SmallModel().forward(IDS, EVALUATION);
    for (const axis of method === "dora" ? ["out", "in"] : ["out"]) {
      const { model } = started(start, method, { rslora: true, dropout: 0.5, ...(method === "dora" && { axis }) });
      expectClose(model.forward(IDS, EVALUATION), plain, 1e-12);
      expectClose(model.forward(IDS, EVALUATION_WITH_GRADIENT), plain, 1e-12);
    }
  });

  test.each(PARTS)("with %s computes as a base without the part, with and without dropout", (start) => {
    for (const axis of method === "dora" ? ["out", "in"] : ["out"]) {
      const settings = { dropout: 0.4, ...(method === "dora" && { axis }) };
      const { model, adapted, saved } = movedAndSaved(start, method, settings);
      const residual = new SmallModel();
      const plain = CONFIGS[method]({ ...adapted.config, initLoraWeights: "default" });
      torch.noGrad(() => {
        for (const { path, adapter } of adapted.modules) {
          const { a, b } = adapter.lowRank!.removed!;
          const [, layer] = [...residual.baseModules()].find(([name]) => name === path)!;
          const { tensor } = (layer as (typeof residual)["classifier"]).weight;
          torch.copy_(tensor, torch.add(tensor, torch.mm(b, a), { alpha: adapter.lowRank!.scale }));
        }
      });
      inject(residual, plain, { ...options(), saved: saved.tensors });
      expectClose(model.forward(IDS, EVALUATION), residual.forward(IDS, EVALUATION), 1e-12);
      const [own, other] = [model, residual].map((each) => each.forward(IDS, { masks: new SeededMasks(5) }));
      expectClose(own!, other!, 1e-12);
      expect(own!.toArray()).not.toEqual(model.forward(IDS, EVALUATION).toArray());
    }
  });

  test.each(PARTS)("with %s is the same after saving, merged, and as a plain LoRA of twice the rank", (start) => {
    const { model, adapted, saved } = movedAndSaved(start, method);
    const expected = model.forward(IDS, EVALUATION);
    const again = new SmallModel();
    const attached = attachAdapter(again, saved, options());
    expectClose(again.forward(IDS, EVALUATION), expected, 1e-12);
    const { config, tensors, relativeError } = toLora(attached);
    if (method === "lora") {
      expect(relativeError).toBe(0);
      const [path, query] = ["encoder.layer.0.query", adapted.modules[0]!.adapter.lowRank!];
      expect(config).toMatchObject({ rank: 8, alpha: 12, initLoraWeights: "default" });
      expectClose(tensors.get(`${path}.lora_A.weight`)!, query.a, 1e-7);
      expectClose(tensors.get(`${path}.lora_B.weight`)!, query.b, 1e-7);
    }
    const plain = new SmallModel();
    inject(plain, config, { ...options(), saved: tensors });
    if (method === "lora") expectClose(plain.forward(IDS, EVALUATION), expected, 1e-6);
    merge(attached);
    expectClose(again.forward(IDS, EVALUATION), expected, 1e-12);
  });

  test.each(PARTS)("with %s leaves the base's own values in place", (start) => {
    const { model, adapted } = started(start, method);
    const before = new SmallModel();
    for (const [path, parameter] of before.baseParameters())
      expectSameBits(new Map(model.baseParameters()).get(path)!.tensor, parameter.tensor, path);
    eject(adapted);
    expectSameBits(model.forward(IDS, EVALUATION), before.forward(IDS, EVALUATION));
  });
});
