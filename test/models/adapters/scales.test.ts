import { describe, expect, test } from "vitest";
import {
  doraConfig,
  inject,
  type LoraConfig,
  loraConfig,
  mergedWeight,
  savedState,
  scaleFactors,
  trainScales,
} from "../../../src/models/adapters/index.js";
import { patternByPath, rankAndScale } from "../../../src/models/adapters/lowRankConfig.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const VALUES = [1.5, -0.75, 0, 2];

/** A model with an adapter in words, query and value, as if trained. */
function open(config: LoraConfig | ReturnType<typeof doraConfig>) {
  const model = new SmallModel();
  const adapted = inject(model, config, { generator: new torch.Generator(3), dtype: "float64" });
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const logits = (context = EVALUATION) => torch.noGrad(() => model.forward(IDS, context).toArray());
  return { model, adapted, logits };
}

/** The same, with a factor of each layer. */
function openScaled(config: LoraConfig | ReturnType<typeof doraConfig>) {
  const opened = open(config);
  const factors = trainScales(opened.adapted);
  return { ...opened, factors, set: () => setAll(factors) };
}

const setAll = (factors: readonly { readonly tensor: torch.Tensor }[]): void =>
  torch.noGrad(() => {
    for (const [i, { tensor }] of factors.entries()) torch.fill_(tensor, VALUES[i % VALUES.length]!);
  });

const far = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

const TARGETS = ["words", "query", "value"];
const CONFIGS = [
  loraConfig({ targetModules: TARGETS, rank: 2, alpha: 3 }),
  loraConfig({ targetModules: ["query"], rank: 2, alpha: 3, loraBias: true }),
  loraConfig({ targetModules: TARGETS, rank: 2, rslora: true, alphaPattern: { value: 5 }, rankPattern: { query: 3 } }),
  ...(["out", "in"] as const).flatMap((axis) =>
    (["detached", "full"] as const).map((normGradient) =>
      doraConfig({ targetModules: TARGETS, rank: 2, alpha: 3, axis, normGradient }),
    ),
  ),
].map((config) => ({ config, name: JSON.stringify(config, ["method", "axis", "normGradient", "loraBias", "rslora"]) }));

describe.each(CONFIGS)("factors of $name", ({ config }) => {
  test("of 1 change nothing", () => {
    expect(openScaled(config).logits()).toEqual(open(config).logits());
  });

  test("act in every pass at once, while they are trained and when they no longer are", () => {
    const { logits, set, factors } = openScaled(config);
    const before = logits(); // a cached norm must not outlive the change
    set();
    const after = logits();
    expect(far(after, before)).toBeGreaterThan(1e-3);
    expect(far(logits(EVALUATION_WITH_GRADIENT), after)).toBeLessThan(1e-12);
    for (const { tensor } of factors) tensor.setRequiresGrad(false);
    expect(far(logits(), after)).toBeLessThan(1e-12);
    torch.noGrad(() => torch.fill_(factors[0]!.tensor, 3));
    expect(far(logits(), after)).toBeGreaterThan(1e-3);
  });

  test.each([true, false])("are those of the saved alphas, trained: %s", (isTrained) => {
    const { adapted, logits, set, factors } = openScaled(config);
    set();
    for (const { tensor } of factors) tensor.setRequiresGrad(isTrained);
    const saved = savedState(adapted);
    expect([...saved.tensors.keys()]).toEqual(adapted.trained.map(({ name }) => name));
    const { alphaPattern } = saved.config as LoraConfig;
    expect(Object.keys(alphaPattern)).toEqual(adapted.modules.map(({ path }) => path));
    for (const [path, c] of scaleFactors(adapted)) {
      const [own, given] = [saved.config, config].map((of) => rankAndScale(of as LoraConfig, path));
      expect(own!.scale).toBeCloseTo(given!.scale * c, 14);
    }
    const model = new SmallModel();
    const generator = new torch.Generator(3);
    const again = inject(model, saved.config as LoraConfig, { generator, dtype: "float64", saved: saved.tensors });
    const found = torch.noGrad(() => model.forward(IDS, EVALUATION).toArray());
    expect(far(found, logits())).toBeLessThan(1e-12);
    for (const [i, module] of again.modules.entries())
      expect(far(mergedWeight(module).toArray(), mergedWeight(adapted.modules[i]!).toArray())).toBeLessThan(1e-12);
  });
});

test("a pattern by path names paths themselves, and where one matches another, each alone", () => {
  const clear = new Map([
    ["bert.layer.1.query", 2],
    ["bert.layer.11.query", 3],
  ]);
  expect(patternByPath(clear)).toEqual(Object.fromEntries(clear));
  const config = (alphas: ReadonlyMap<string, number>) => loraConfig({ alphaPattern: patternByPath(alphas) });
  const nested = new Map([
    ["a.query", 2],
    ["b.a.query", 3],
  ]);
  for (const order of [nested, new Map([...nested].reverse())])
    for (const [path, alpha] of nested) expect(rankAndScale(config(order), path).alpha).toBe(alpha);
});
