// Starts that take a part out of the base, and those that draw A and B otherwise.

import { describe, expect, test } from "vitest";
import {
  type AdaptedModel,
  AdapterRoutes,
  attachAdapter,
  doraConfig,
  eject,
  evaStart,
  inject,
  type LowRankConfig,
  loraConfig,
  loraGaStart,
  merge,
  savedTensors,
  setStart,
  targetSlots,
  toLora,
} from "../../../src/models/adapters/index.js";
import type { SavedStart } from "../../../src/models/adapters/lowRankConfig.js";
import { inTurns } from "../../../src/models/adapters/starts/observe.js";
import { Embedding, EVALUATION, Module, OutputLinear, SeededMasks } from "../../../src/models/nn/index.js";
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

test("adapters that take other parts out, and a plain one, share one base", () => {
  const adapters = new Map(
    ([...PARTS, "default"] as const).map((start, i) => {
      const { model, adapted, saved } = movedAndSaved(start, i === 1 ? "dora" : "lora");
      return [start, { saved, expected: model.forward(IDS, EVALUATION), adapted }] as const;
    }),
  );
  const model = new SmallModel();
  const saved = new Map(Array.from(adapters, ([name, { saved }]) => [name as string, saved]));
  const routes = new AdapterRoutes(model, saved, "float64");
  for (const [adapter, { expected }] of adapters) {
    const route = { adapter, tokens: IDS.shape[0]!, selected: IDS.shape[0]! };
    expectClose(
      routes.pass([route], () => model.forward(IDS, EVALUATION)),
      expected,
      1e-12,
    );
  }
});

describe("a weight that lacks ranks", () => {
  const lacking = () => {
    const model = new SmallModel();
    torch.noGrad(() => {
      for (const { query } of model.layers) torch.copy_(query.weight.tensor, torch.ones([5, 6], { dtype: "float64" }));
      torch.zero_([...model.layers][1]!.query.weight.tensor);
    });
    return model;
  };

  test("keeps the usual start of the ranks that PiSSA does not find, so that all can learn", () => {
    const [model, plain] = [lacking(), lacking()];
    const { modules } = inject(model, loraConfig({ ...TARGETS, initLoraWeights: "pissa" }), options());
    expectClose(model.forward(IDS, EVALUATION), plain.forward(IDS, EVALUATION), 1e-12);
    const rowsOf = (index: number) => {
      const { a, b } = modules[index]!.adapter.lowRank!.parameters;
      const norms = (matrix: torch.Tensor, dim: number) =>
        Array.from(torch.linalgVectorNorm(matrix, 2, [dim]).toArray(), (norm) => norm > 1e-9);
      return [norms(a.tensor, 1), norms(b.tensor, 0)];
    };
    expect(rowsOf(0)).toEqual([
      [true, true, true, true],
      [true, false, false, false],
    ]);
    expect(rowsOf(2)).toEqual([
      [true, true, true, true],
      [false, false, false, false],
    ]);
  });

  test("is loaded again as it was saved", () => {
    for (const start of PARTS) {
      const model = lacking();
      const config = loraConfig({ ...TARGETS, initLoraWeights: start });
      const adapted = inject(model, config, options());
      perturb(adapted.trained.map(({ tensor }) => tensor));
      const again = lacking();
      inject(again, config, { ...options(), saved: savedTensors(adapted) });
      expectClose(again.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-12);
    }
  });
});

describe("EVA", () => {
  const draw = (rows: number, seed: number, deviation = 1) =>
    torch.normal_(torch.empty([rows, 6], { dtype: "float64" }), 0, deviation, { generator: new torch.Generator(seed) });
  /** @param inputs of each layer's query, one after the other */
  const evaOf = (inputs: readonly (torch.Tensor | readonly torch.Tensor[])[], settings: object = {}) => {
    const model = new SmallModel();
    const config = loraConfig({ targetModules: ["query"], rank: 1, alpha: 3, initLoraWeights: "eva", ...settings });
    const slots = targetSlots(model, config);
    const layers = () => {
      for (const [i, { query }] of [...model.layers].entries())
        for (const x of [inputs[i] ?? []].flat()) query.forward(x, EVALUATION);
    };
    const seen: string[] = [];
    const passes = { layers, head: () => void seen.push("head") };
    return { model, slots, seen, ...evaStart(slots, config, passes) };
  };

  test("gives ranks to the layers whose components explain most, and no adapter to others", () => {
    const line = torch.mul(draw(50, 1), torch.tensor(Float64Array.from([3, 1, 0, 0, 0, 0])));
    const { config, components, model } = evaOf([line, torch.ones([9, 6], { dtype: "float64" })]);
    expect(config).toMatchObject({
      targetModules: ["encoder.layer.0.query"],
      rankPattern: { "encoder.layer.0.query": 2 },
      alphaPattern: { "encoder.layer.0.query": 6 },
    });
    const rows = components.get("encoder.layer.0.query")!;
    expect(rows.shape).toEqual([2, 6]);
    expectClose(torch.mm(rows, torch.t(rows)), torch.eye(2, { dtype: "float64" }), 1e-12);
    expect(inject(model, config, options()).modules.length).toBe(1);
  });

  test("layers with one input share its components, and the first has the larger rank", () => {
    const x = draw(40, 2);
    const { config, components } = evaOf([x, x], { rank: 3 });
    const [first, second] = ["encoder.layer.0.query", "encoder.layer.1.query"].map((path) => components.get(path)!);
    expectSameBits(first!, second!);
    expect(config).toMatchObject({ rankPattern: {}, targetModules: ["query"] });
  });

  test("further inputs of one layer, such as the distances that DeBERTa's query projects, leave the others' components as they are", () => {
    const [x, further] = [draw(40, 2), draw(40, 3)];
    const second = (...inputs: Parameters<typeof evaOf>[0]) =>
      evaOf(inputs, { rank: 3 }).components.get("encoder.layer.1.query")!;
    expectSameBits(second([x, further], x), second(draw(40, 4), x));
    expectSameBits(second(x, [x, further]), second(draw(40, 4), [x, further]));
  });

  test("the head is passed through for layers that no input has reached", () => {
    expect(evaOf([draw(9, 3), draw(9, 4)]).seen).toEqual([]);
    expect(evaOf([draw(9, 3)]).seen).toEqual(["head"]);
  });
});

test("layers come in turns of as many as there is room for, and at least one", () => {
  const slots = targetSlots(new SmallModel(), loraConfig(TARGETS));
  const sizes = (most: number) => inTurns(slots, () => 10, most).map(({ length }) => length);
  expect([sizes(100), sizes(20), sizes(10), sizes(1), sizes(39)]).toEqual([
    [4],
    [2, 2],
    [1, 1, 1, 1],
    [1, 1, 1, 1],
    [3, 1],
  ]);
});

test("LoRA-GA is the same with one layer at a time, and leaves a layer without a gradient at its usual start", () => {
  const config = loraConfig({ targetModules: ["query", "value"], rank: 2 });
  const of = (paths: readonly string[]) => {
    const model = new SmallModel();
    const slots = targetSlots(model, config).filter(({ path }) => paths.includes(path));
    const losses = (onLoss: (loss: torch.Tensor) => void) => {
      for (const ids of [IDS, torch.narrow(IDS, 0, 0, 3)])
        torch.scope(() => onLoss(torch.mean(torch.square(model.forward(ids, EVALUATION_WITH_GRADIENT)))));
    };
    return loraGaStart(slots, config, { run: losses, batches: 2, tokens: 8 });
  };
  const paths = ["encoder.layer.0.query", "encoder.layer.1.value"];
  const together = of(paths);
  for (const path of paths) {
    const { a, b } = of([path]).get(path)!;
    expectClose(together.get(path)!.a, a, 1e-12);
    expectClose(together.get(path)!.b, b, 1e-12);
  }
  const model = new SmallModel();
  const silent = loraGaStart(targetSlots(model, config), config, { run() {}, batches: 1, tokens: 1 });
  const { modules } = inject(model, config, options());
  const { lowRank } = modules[0]!.adapter;
  const before = lowRank!.parameters.a.tensor.toArray();
  torch.noGrad(() => setStart(lowRank!, silent.get(modules[0]!.path)!));
  expect(lowRank!.parameters.a.tensor.toArray()).toEqual(before);
});

test.each([
  [{ targetModules: ["words"], initLoraWeights: "pissa" }, "no way to start the embedding words"],
  [{ targetModules: ["words"], initLoraWeights: "eva" }, "no way to start the embedding words"],
  [{ initLoraWeights: "olora", rank: 6 }, "is a matrix of 5 × 6, which a start of rank 6 cannot take a part of"],
] as const)("refused: %o", (settings, why) => {
  const config = loraConfig({ ...TARGETS, ...settings } as Partial<LowRankConfig>);
  expect(() => inject(new SmallModel(), config, options())).toThrow(why);
});

describe.each(PARTS)("%s of an output matrix", (start) => {
  class Tied extends Module {
    readonly words = this.child("words", new Embedding(12, 8));
    constructor(isTied: boolean) {
      super();
      this.child("lm_head", new OutputLinear(8, 12, isTied ? this.words : undefined));
    }
  }

  test("is refused where the embeddings have it too, since PEFT takes the part out of both", () => {
    const config = loraConfig({ targetModules: ["lm_head"], rank: 2, alpha: 2, initLoraWeights: start });
    expect(() => inject(new Tied(true), config, options())).toThrow(
      `init_lora_weights ${start} takes a part out of lm_head, which is the table of the embeddings too: exclude that module.`,
    );
    expect(() => inject(new Tied(true), { ...config, initLoraWeights: "default" }, options())).not.toThrow();
  });
});
