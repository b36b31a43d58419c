// Shapes: W0 [out, in], A [r, in], B [out, r].

import fc from "fast-check";
import { expect, test } from "vitest";
import { type AdaptedModel, inject, loraConfig, OrthogonalityRegularizer } from "../../src/models/adapters/index.js";
import { Linear, Module } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { twiceDifferentiable, withFormulas } from "../../src/torch/operators/choose.js";
import { gradientsOf } from "../../src/training/steps/batchGradients.js";
import { get } from "./goldenFiles.js";
import { openAdapted } from "./support/adapted.js";
import { casesOf, goldenTensors, section } from "./support/cases.js";
import { distance, named } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

class Layers extends Module {
  constructor(
    shapes: readonly (readonly [out: number, in_: number])[],
    normal: (shape: readonly number[]) => torch.Tensor,
  ) {
    super();
    for (const [i, [out, columns]] of shapes.entries()) {
      this.child(`dense${i}`, new Linear(columns, out, { bias: false })).weight.fill(normal([out, columns]));
    }
  }
}

/** mean of ‖DᵀD − I‖_F with the columns of D = V/‖V‖ of unit length, or of zeros: then DᵀD has a row and column of zeros */
function definition({ modules }: AdaptedModel): torch.Tensor {
  const terms = modules.map((module) => {
    const whole = torch.add(module.layer.weight.tensor, module.adapter.lowRank!.product());
    const lengths = torch.linalgVectorNorm(whole, 2, [0]).toArray();
    const places = [...lengths.keys()].filter((column) => lengths[column] !== 0);
    const zeros = lengths.length - places.length;
    const v = torch.indexSelect(whole, 1, torch.tensor(places, undefined, "int64"));
    const d = torch.div(v, torch.linalgVectorNorm(v, 2, [0], true));
    const gram = torch.mm(torch.t(d), d);
    const squares = torch.square(torch.sub(gram, torch.eye(gram.shape[0]!, { dtype: "float64" })));
    return torch.sqrt(torch.addScalar(torch.sum(squares), zeros));
  });
  return torch.mean(torch.stack(terms));
}

const dimension = fc.integer({ min: 2, max: 12 });

/** All columns of a tensor except the first two. */
function later(tensor: torch.Tensor): torch.Tensor {
  const columns = tensor.shape[1]!;
  const start = Math.min(2, columns);
  return torch.narrow(tensor, 1, start, columns - start);
}

/** Changes of the first layer before the comparison. */
const CORNERS = {
  "as drawn": () => {},
  "columns of zeros": (weight: torch.Tensor, a: torch.Tensor) => {
    for (const tensor of [weight, a]) torch.zero_(later(tensor));
  },
  "columns that the update all but cancels": (weight: torch.Tensor, _a: torch.Tensor, product: torch.Tensor) => {
    torch.copy_(later(weight), torch.mulScalar(later(product), -(1 - 1e-4)));
  },
};

test.each(Object.entries(CORNERS))("value, gradient and second derivative equal the definition's, %s", (_, change) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(dimension, dimension), { minLength: 1, maxLength: 3 }),
      fc.nat(1e6),
      (shapes, seed) => {
        torch.scope(() => {
          const generator = new torch.Generator(seed);
          const normal = (shape: readonly number[]) =>
            torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator });
          const adapted = inject(new Layers(shapes, normal), loraConfig({ rank: 2, alpha: 3 }), {
            generator,
            dtype: "float64",
          });
          const inputs = adapted.trained.map(({ tensor }) => tensor);
          torch.noGrad(() => {
            for (const tensor of inputs) torch.copy_(tensor, normal(tensor.shape));
            const [{ layer, adapter }] = adapted.modules as [AdaptedModel["modules"][number]];
            change(layer.weight.tensor, adapter.lowRank!.a, adapter.lowRank!.product());
          });
          const along = inputs.map((tensor) => normal(tensor.shape));
          const regularizer = new OrthogonalityRegularizer(adapted);
          const [cheap, direct] = [twiceDifferentiable(() => regularizer.value()), definition(adapted)].map((value) => {
            const gradients = gradientsOf(value, inputs, { createGraph: true });
            const slope = gradients
              .map((gradient, i) => torch.sum(torch.mul(gradient, along[i]!)))
              .reduce((sum, part) => torch.add(sum, part));
            return {
              value,
              first: named(adapted.trained, gradients),
              second: named(adapted.trained, gradientsOf(slope, inputs)),
            };
          }) as [Derivatives, Derivatives];
          expect(cheap.value.item() / direct.value.item()).toBeCloseTo(1, 9);
          expect(distance(cheap.first, direct.first)).toBeLessThan(1e-8);
          expect(distance(cheap.second, direct.second)).toBeLessThan(1e-8);
          const once = regularizer.value();
          expect(once.item() / direct.value.item()).toBeCloseTo(1, 9);
          expect(distance(named(adapted.trained, gradientsOf(once, inputs)), direct.first)).toBeLessThan(1e-8);
        });
      },
    ),
    { numRuns: 60, seed: 20410 },
  );
});

interface Derivatives {
  readonly value: torch.Tensor;
  readonly first: Map<string, torch.Tensor>;
  readonly second: Map<string, torch.Tensor>;
}

test("finite at the start (B zero) for a weight of zeros or with columns of zeros", () => {
  for (const dtype of ["float32", "float64"] as const) {
    for (const zeros of [5, 2]) {
      const weight = torch.normal_(torch.empty([4, 5], { dtype }), 0, 1, { generator: new torch.Generator(2) });
      torch.zero_(torch.narrow(weight, 1, 0, zeros));
      const adapted = inject(new Layers([[4, 5]], () => weight), loraConfig({ rank: 2 }), {
        generator: new torch.Generator(0),
        dtype,
      });
      const inputs = adapted.trained.map(({ tensor }) => tensor);
      const regularizer = new OrthogonalityRegularizer(adapted);
      const value = twiceDifferentiable(() => regularizer.value());
      for (const term of [value, regularizer.value()]) expect(term.item()).toBeCloseTo(definition(adapted).item(), 5);
      for (const gradient of gradientsOf(regularizer.value(), inputs))
        expect(gradient.toArray().every(Number.isFinite)).toBe(true);
      const gradients = gradientsOf(value, inputs, { createGraph: true });
      const slope = gradients.map((gradient) => torch.sum(gradient)).reduce((sum, part) => torch.add(sum, part));
      for (const gradient of [...gradients, ...gradientsOf(slope, inputs)])
        expect(gradient.toArray().every(Number.isFinite)).toBe(true);
    }
  }
});

test("orthogonal columns have gradient 0, not NaN", () => {
  for (const dtype of ["float32", "float64"] as const) {
    const model = new Layers([[3, 3]], () => torch.eye(3, { dtype }));
    const adapted = inject(model, loraConfig({ rank: 2 }), { generator: new torch.Generator(0), dtype });
    const value = new OrthogonalityRegularizer(adapted).value();
    expect(value.item()).toBeLessThan(1e-2);
    for (const gradient of gradientsOf(
      value,
      adapted.trained.map(({ tensor }) => tensor),
    )) {
      expect(gradient.toArray().every((element) => Math.abs(element) < 1e-6)).toBe(true);
    }
  }
});

test("columns that an update makes orthogonal but for rounding are no farther from it by the formula", () => {
  for (const seed of [0, 1, 2, 3]) {
    const generator = new torch.Generator(seed);
    const normal = (shape: readonly number[]) => torch.normal_(torch.empty(shape), 0, 1, { generator });
    const [rotation] = torch.linalgSvd(normal([8, 8]), false) as unknown as [torch.Tensor];
    const adapted = inject(new Layers([[8, 8]], normal), loraConfig({ rank: 2 }), { generator });
    const [{ layer, adapter }] = adapted.modules as [AdaptedModel["modules"][number]];
    torch.noGrad(() => {
      torch.copy_(adapter.lowRank!.b, torch.mulScalar(normal([8, 2]), 0.2));
      torch.copy_(layer.weight.tensor, torch.sub(rotation, adapter.lowRank!.product()));
    });
    const value = withFormulas(() => new OrthogonalityRegularizer(adapted).value().item());
    expect(value, `seed ${seed}`).toBeLessThan(1e-5);
  }
});

test.each(casesOf("hypergradients"))("$family, axis $axis, norm gradient $normGradient", async (entry) => {
  const golden = goldenTensors(entry.family, entry.file);
  const start = new Map([...section(golden, "before"), ...section(golden, "magnitude")]);
  const { adapted } = await openAdapted(entry.family, entry, { ...entry, dtype: "float64", start });
  const value = new OrthogonalityRegularizer(adapted).value();
  expect(value.item() / get(golden, "regularizer").item()).toBeCloseTo(1, 9);
  const directions = adapted.trained.filter(({ name }) => name.includes(".lora_A") || name.includes(".lora_B"));
  const gradients = gradientsOf(
    value,
    directions.map(({ tensor }) => tensor),
  );
  expect(distance(named(directions, gradients), section(golden, "regularizerGradient"))).toBeLessThan(1e-8);
});

test.each(casesOf("hypergradients"))(
  "in plain DoRA: $family, axis $axis, norm gradient $normGradient",
  async (entry) => {
    const golden = goldenTensors(entry.family, entry.file);
    const start = new Map([...section(golden, "before"), ...section(golden, "magnitude")]);
    const rows = await encodeRows(entry.family, entry);
    const afterStep = async (regularizer: number) => {
      const problem = await openAdapted(entry.family, entry, { ...entry, dtype: "float64", start });
      const sgd = { method: "dora", optimizer: "sgd", learningRate: 1, schedule: "constant", maxSteps: 1 } as const;
      return runPhases(problem, rows, { ...sgd, regularizer }).phases[0]!.end;
    };
    const [free, bound] = [await afterStep(0), await afterStep(0.5)];
    const expected = section(golden, "regularizerGradient");
    const moved = new Map([...free].map(([name, tensor]) => [name, torch.sub(tensor, bound.get(name)!)]));
    for (const [name, tensor] of moved) if (!expected.has(name)) expect(torch.norm(tensor).item(), name).toBe(0);
    const doubled = new Map([...expected.keys()].map((name) => [name, torch.mulScalar(moved.get(name)!, 2)]));
    expect(distance(doubled, expected)).toBeLessThan(1e-8);
  },
);
