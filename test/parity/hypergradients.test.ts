import { describe, expect, test } from "vitest";
import type { HypergradientName } from "../../src/tasks/config/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import {
  ESTIMATORS,
  finiteDifference,
  forwardDifference,
  type HypergradientEstimator,
} from "../../src/training/hypergradients/estimators.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { BilevelRule, type BilevelRuleOptions, type Xi } from "../../src/training/steps/bilevelRule.js";
import type { LevelOptions } from "../../src/training/steps/level.js";
import { few } from "../support/few.js";
import { get, type Tensors } from "./goldenFiles.js";
import { openAdapted } from "./support/adapted.js";
import { ADAMW, ofRole, penaltyOf, WatchedLevel } from "./support/bilevel.js";
import { casesOf, goldenTensors, type HypergradientCase, section } from "./support/cases.js";
import { cosine, distance } from "./support/compare.js";
import { encodeRows, inOrder } from "./support/rows.js";

type Case = HypergradientCase & { readonly family: string };

const cases = casesOf("hypergradients");
const [bert] = cases as [Case];

/** One step at the peak rate, without warm-up. */
function levelOptions({ learningRate, weightDecay, stepsBefore }: Case): LevelOptions {
  const schedule = { schedule: "constant", warmupRatio: 0, steps: stepsBefore + 1, maxGradNorm: undefined } as const;
  return { ...ADAMW, ...schedule, learningRate, weightDecay };
}

/** The golden lower step with its moments, about to be taken. */
async function pointOf(entry: Case, golden: Tensors) {
  const { family, axis, normGradient, lowerRows, upperRows } = entry;
  const start = new Map([...section(golden, "before"), ...section(golden, "magnitude")]);
  const { model, adapted } = await openAdapted(family, entry, { dtype: "float64", axis, normGradient, start });
  const rows = await encodeRows(family, entry);
  const lower = new WatchedLevel(ofRole(adapted, "direction"), levelOptions(entry));
  const moments = new Map<string, torch.Tensor>();
  for (const [name, tensor] of section(golden, "moment1")) moments.set(`${name}.exp_avg`, tensor);
  for (const [name, tensor] of section(golden, "moment2")) moments.set(`${name}.exp_avg_sq`, tensor);
  lower.restore(entry.stepsBefore, moments);
  const upper = new WatchedLevel(ofRole(adapted, "magnitude"), levelOptions(entry));
  return {
    task: TASKS["sequence-classification"],
    model,
    adapted,
    lower,
    upper,
    lowerBatches: inOrder(rows.slice(...lowerRows), 4),
    upperBatches: inOrder(rows.slice(...upperRows), 4),
    masks: new ReplayableMasks(new torch.Generator(0)),
    ranks: torch.ALONE,
    unrollSteps: 1,
    gradientAccumulation: 1,
    penalty: penaltyOf(adapted, entry.regularizer),
  } satisfies Omit<BilevelRuleOptions, "estimator" | "xi">;
}

/** The hypergradient of one search step from the golden point, by magnitude. */
/** Rotary models: float32 cos and sin differ between libraries, even in a float64 model. */
const ROTARY: readonly string[] = ["esm", "modernbert", "llama"];

async function hypergradient(entry: Case, golden: Tensors, estimator: HypergradientEstimator, xi: Xi) {
  const point = await pointOf(entry, golden);
  const report = torch.scope(() => new BilevelRule({ ...point, estimator, xi }).step());
  const after = new Map(point.lower.trained.map(({ name, tensor }) => [name, tensor]));
  return { report, after, g: point.upper.given };
}

function xiOf(name: string): Xi {
  return name === "learning-rate" || name === "optimizer" ? name : Number(name);
}

describe.each(few(cases, 6))("$family, axis $axis, norm gradient $normGradient", (entry) => {
  const blur = ROTARY.includes(entry.family) ? 1e3 : 1;
  const golden = goldenTensors(entry.family, entry.file);
  const named = Object.keys(ESTIMATORS) as HypergradientName[];
  const present = named.flatMap((estimator) =>
    ["", "-1", "-learning-rate", "-optimizer"]
      .filter((suffix) => section(golden, estimator + suffix).size > 0)
      .map((suffix) => ({ name: estimator + suffix, estimator, xi: xiOf(suffix.slice(1) || "1") })),
  );

  test.each(present)("$name", async ({ name, estimator, xi }) => {
    const made = ESTIMATORS[estimator]({ terms: entry.terms });
    const { report, after, g } = await hypergradient(entry, golden, made, xi);
    expect(distance(after, section(golden, "after"))).toBeLessThan(1e-12 * blur);
    expect(report.upperLoss).toBeCloseTo(get(golden, "upperLoss").item(), blur === 1 ? 10 : 7);
    expect(distance(g, section(golden, name))).toBeLessThan(1e-8 * blur);
  });

  test("xi optimizer equals the derivative through the AdamW step", async () => {
    const { g } = await hypergradient(entry, golden, ESTIMATORS.exact({ terms: 0 }), "optimizer");
    expect(distance(g, section(golden, "throughOptimizer"))).toBeLessThan(1e-8 * blur);
  });

  test.each([
    { name: "finite", difference: finiteDifference, order: 2 },
    { name: "forward", difference: forwardDifference, order: 1 },
  ])("$name differences converge to exact with order $order", async ({ difference, order }) => {
    const exact = (await hypergradient(entry, golden, ESTIMATORS.exact({ terms: 0 }), 1)).g;
    const errors: number[] = [];
    for (const length of [4e-3, 2e-3, 1e-3]) {
      errors.push(distance((await hypergradient(entry, golden, difference(length), 1)).g, exact));
    }
    const [far, near, nearest] = errors as [number, number, number];
    expect(Math.log2(far / near)).toBeCloseTo(order, 1);
    expect(Math.log2(near / nearest)).toBeCloseTo(order, 1);
  });
});

test("one Neumann term equals the exact hypergradient with the learning rate as xi", async () => {
  const golden = goldenTensors(bert.family, bert.file);
  const { g } = await hypergradient(bert, golden, ESTIMATORS.neumann({ terms: 1 }), 7);
  const exact = await hypergradient(bert, golden, ESTIMATORS.exact({ terms: 0 }), "learning-rate");
  expect(distance(g, exact.g)).toBeLessThan(1e-12);
});

test("only the last of several lower steps is differentiated", async () => {
  const golden = goldenTensors(bert.family, bert.file);
  const estimator = ESTIMATORS["finite-difference"]({ terms: 0 });
  const twice = await pointOf(bert, golden);
  torch.scope(() => new BilevelRule({ ...twice, estimator, xi: 1, unrollSteps: 2 }).step());

  const once = await pointOf(bert, golden);
  const first = new BilevelRule({ ...once, estimator, xi: 1 });
  torch.scope(() => first.step());
  once.upper.replace(section(golden, "magnitude").size ? magnitudesOf(golden, once.upper) : []);
  torch.scope(() => first.step());
  expect(distance(twice.upper.given, once.upper.given)).toBeLessThan(1e-12);
});

function magnitudesOf(golden: Tensors, { trained }: WatchedLevel): torch.Tensor[] {
  const magnitudes = section(golden, "magnitude");
  return trained.map(({ name }) => magnitudes.get(name)!);
}

describe("with dropout", () => {
  const runs = casesOf("dropout").filter(({ name }) => name.startsWith("dora"));

  const counts = runs.flatMap((run) => [1, 2].map((count) => ({ ...run, count })));

  test.each(counts)(
    "$family $name, $count batches a step: both passes of a difference see the same masks",
    async ({ family, count, ...run }) => {
      const second = async (name: HypergradientName) => {
        const { model, adapted } = await openAdapted(family, run, { normGradient: "full" });
        const rows = await encodeRows(family, { ...run, rows: "train", maxLength: 20 });
        const options = levelOptions(bert);
        const upper = new WatchedLevel(ofRole(adapted, "magnitude"), options);
        const rule = new BilevelRule({
          task: TASKS["sequence-classification"],
          model,
          adapted,
          upper,
          lower: new WatchedLevel(ofRole(adapted, "direction"), options),
          lowerBatches: inOrder(rows.slice(0, 8), 8 / count),
          upperBatches: inOrder(rows.slice(8, 16), 8 / count),
          masks: new ReplayableMasks(new torch.Generator(5)),
          ranks: torch.ALONE,
          unrollSteps: 1,
          gradientAccumulation: count,
          penalty: undefined,
          estimator: ESTIMATORS[name]({ terms: 0 }),
          xi: 1,
        });
        torch.scope(() => rule.step());
        return upper.given;
      };
      const first = await second("first-order");
      const exact = minus(first, await second("exact"));
      for (const name of ["finite-difference", "forward-difference"] as const) {
        const difference = minus(first, await second(name));
        expect(cosine(difference, exact), name).toBeGreaterThan(0.999);
        expect(distance(difference, exact), name).toBeLessThan(0.03);
      }
    },
  );
});

function minus(a: Tensors, b: Tensors): Tensors {
  return torch.noGrad(() => new Map([...a].map(([name, tensor]) => [name, torch.sub(tensor, b.get(name)!)])));
}
