// docs/method.md, "When a second level can pay": the hypergradient as joint training's gradient plus the derivative of the gap between the
// levels' losses, for logistic regression whose features are scaled by the magnitudes. All in float64.
import { expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import {
  CG_DAMPING,
  exact,
  implicitSecondTerm,
  type LowerPoint,
} from "../../src/training/hypergradients/estimators.js";
import { doubleBackward } from "../../src/training/hypergradients/secondDerivatives.js";
import { gradientsOf } from "../../src/training/steps/batchGradients.js";

type Vector = readonly number[];
interface Rows {
  readonly inputs: readonly Vector[];
  readonly labels: Vector;
}

/** Rows with noisy labels, different for each seed. */
function rows(seed: number, count: number): Rows {
  const noise = (at: number) => Math.sin(12.9898 * (at + 100 * seed + 1)) * 1.7;
  const inputs = Array.from({ length: count }, (_, row) => [0, 1, 2].map((column) => noise(3 * row + column)));
  const labels = inputs.map(([a, b], row) => (a! - b! + noise(1000 + row) > 0 ? 1 : 0));
  return { inputs, labels };
}

const [TRAIN, VALIDATION] = [rows(1, 30), rows(2, 20)];
const M: Vector = [0.8, 1.3, 0.6];
/** L_tr has a penalty of λ/2·‖v‖², so that `implicitSecondTerm`, which damps by λ, inverts its Hessian. */
const RIDGE = CG_DAMPING;

const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, at) => sum + value * b[at]!, 0);
const plus = (a: Vector, b: Vector, factor = 1): Vector => a.map((value, at) => value + factor * b[at]!);
const features = ({ inputs }: Rows, m: Vector): Vector[] => inputs.map((x) => x.map((value, at) => value * m[at]!));

// By hand, without bidora's code: losses, derivatives along v, and the solution of the lower level.
function crossEntropy(data: Rows, v: Vector, m: Vector): number {
  const each = features(data, m).map((x, row) => Math.log1p(Math.exp(dot(x, v))) - data.labels[row]! * dot(x, v));
  return each.reduce((sum, value) => sum + value / each.length, 0);
}

const trainLoss = (v: Vector, m: Vector): number => crossEntropy(TRAIN, v, m) + (RIDGE / 2) * dot(v, v);

function trainDerivatives(v: Vector, m: Vector) {
  const scaled = features(TRAIN, m);
  const shares = scaled.map((x) => 1 / (1 + Math.exp(-dot(x, v))));
  const average = (value: (x: Vector, row: number) => number) =>
    scaled.reduce((sum, x, row) => sum + value(x, row) / scaled.length, 0);
  const gradient = v.map(
    (value, i) => average((x, row) => (shares[row]! - TRAIN.labels[row]!) * x[i]!) + RIDGE * value,
  );
  const curvature = (i: number, j: number) => average((x, row) => shares[row]! * (1 - shares[row]!) * x[i]! * x[j]!);
  const hessian = v.map((_, i) => v.map((_, j) => curvature(i, j) + (i === j ? RIDGE : 0)));
  return { gradient, hessian };
}

/** v*(m): where ∇_v L_tr = 0, by Newton's method. */
function solved(m: Vector): Vector {
  let v: Vector = [0, 0, 0];
  for (let step = 0; step < 30; step++) {
    const { gradient, hessian } = trainDerivatives(v, m);
    v = plus(v, cramer(hessian, gradient), -1);
  }
  return v;
}

function cramer(matrix: readonly Vector[], right: Vector): Vector {
  const determinant = ([a, b, c]: readonly Vector[]) =>
    a![0]! * (b![1]! * c![2]! - b![2]! * c![1]!) -
    a![1]! * (b![0]! * c![2]! - b![2]! * c![0]!) +
    a![2]! * (b![0]! * c![1]! - b![1]! * c![0]!);
  const replaced = (column: number) =>
    matrix.map((row, i) => row.map((value, j) => (j === column ? right[i]! : value)));
  return right.map((_, column) => determinant(replaced(column)) / determinant(matrix));
}

/** The derivative at M, by central differences. */
function derivative(value: (m: Vector) => number, step = 1e-5): Vector {
  const moved = (at: number, by: number) => value(M.map((number, i) => (i === at ? number + by : number)));
  return M.map((_, at) => (moved(at, step) - moved(at, -step)) / (2 * step));
}

// By bidora's estimators.
const leaf = (values: Vector) => torch.tensor([...values], [values.length], "float64").setRequiresGrad(true);
const numbers = ([tensor]: readonly torch.Tensor[]): Vector => [...tensor!.toArray()];

/** What the upper loss is: cross-entropy, with the penalty of the lower loss if it has the same rows. */
interface Upper {
  readonly data: Rows;
  readonly isPenalized: boolean;
}
const OTHER_ROWS: Upper = { data: VALIDATION, isPenalized: false };
const SAME_LOSS: Upper = { data: TRAIN, isPenalized: true };

function torchLoss({ inputs, labels }: Rows, v: torch.Tensor, m: torch.Tensor): torch.Tensor {
  const x = torch.tensor(inputs.flat(), [inputs.length, 3], "float64");
  const target = torch.tensor([...labels], [labels.length], "float64");
  return torch.mean(torch.binaryCrossEntropyWithLogits(torch.mv(x, torch.mul(m, v)), target));
}

/** ∇_v and ∇_m of the upper loss. */
function upperGradients(at: Vector, { data, isPenalized }: Upper) {
  const [v, m] = [leaf(at), leaf(M)];
  const [ofV, ofM] = gradientsOf(torchLoss(data, v, m), [v, m]).map((gradient) => numbers([gradient])) as [
    Vector,
    Vector,
  ];
  return { ofV: plus(ofV, at, isPenalized ? RIDGE : 0), ofM };
}

/** The lower loss at v, whose penalty the damping stands for. */
function lowerPoint(at: Vector) {
  const [v, m] = [leaf(at), leaf(M)];
  const gradients = gradientsOf(torchLoss(TRAIN, v, m), [v], { createGraph: true });
  return doubleBackward(() => ({ lower: [v], upper: [m], gradients }));
}

async function implicit(at: Vector, upper: Upper): Promise<Vector> {
  const { ofV, ofM } = upperGradients(at, upper);
  const limits = { tolerance: 1e-14, mostProducts: 9 };
  const { second } = await implicitSecondTerm(lowerPoint(at), [leaf(ofV)], limits, async () => {});
  return plus(ofM, numbers(second), -1);
}

function unrolled(at: Vector, upper: Upper, xi: number): Vector {
  const { ofV, ofM } = upperGradients(stepFrom(at, M, xi), upper);
  const direction = { v: [leaf(ofV)], weighted: () => [leaf(ofV.map((value) => xi * value))], rates: [xi] };
  return plus(ofM, numbers(exact.secondTerm!(lowerPoint(at) as LowerPoint, direction)), -1);
}

/** v' = v − ξ·∇_v L_tr(v, m) */
const stepFrom = (v: Vector, m: Vector, xi: number): Vector => plus(v, trainDerivatives(v, m).gradient, -xi);

const joint = (at: Vector): Vector => upperGradients(at, { data: TRAIN, isPenalized: false }).ofM;
const distance = (a: Vector, b: Vector): number => Math.max(...a.map((value, at) => Math.abs(value - b[at]!)));
const XI = 2;

test("the implicit hypergradient is joint training's gradient plus the derivative of the gap along the lower level's solutions", async () => {
  const found = await implicit(solved(M), OTHER_ROWS);
  const gap = derivative((m) => crossEntropy(VALIDATION, solved(m), m) - trainLoss(solved(m), m));
  expect(
    distance(
      found,
      derivative((m) => crossEntropy(VALIDATION, solved(m), m)),
    ),
  ).toBeLessThan(1e-8);
  expect(distance(found, plus(joint(solved(M)), gap))).toBeLessThan(1e-8);
  expect(distance(found, joint(solved(M)))).toBeGreaterThan(1e-3);
});

test("with one loss at both levels and a solved lower level, every hypergradient is joint training's gradient", async () => {
  const [wanted, at] = [joint(solved(M)), solved(M)];
  expect(distance(await implicit(at, SAME_LOSS), wanted)).toBeLessThan(1e-10);
  expect(distance(unrolled(at, SAME_LOSS, XI), wanted)).toBeLessThan(1e-10);
});

test("before the lower level is solved, one step's hypergradient is the derivative through that step, and neither is joint training's gradient", async () => {
  const early = solved(M).map((value) => 0.3 * value);
  const found = unrolled(early, SAME_LOSS, XI);
  expect(
    distance(
      found,
      derivative((m) => trainLoss(stepFrom(early, m, XI), m)),
    ),
  ).toBeLessThan(1e-8);
  expect(distance(found, joint(stepFrom(early, M, XI)))).toBeGreaterThan(1e-3);
  expect(distance(await implicit(early, SAME_LOSS), joint(early))).toBeGreaterThan(1e-3);
});
