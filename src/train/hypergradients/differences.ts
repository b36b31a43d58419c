import { totalNorm } from "../../optim/index.js";
import * as torch from "../../torch/index.js";
import type { HypergradientEstimator, LowerPoint, SecondTermDirection } from "./estimator.js";

/** The step along u is so long that the directions move by this much (the paper, after DARTS). */
const STEP_LENGTH = 0.01;

/** ε = 0.01 / ‖u‖ over all directions together; undefined when u is zero and so is the product. */
export function stepSize(u: readonly torch.Tensor[], length = STEP_LENGTH): number | undefined {
  const norm = totalNorm(u);
  return norm > 0 ? length / norm : undefined;
}

/** Central differences (paper, equation 8): (∇_M L_tr(V + εu) − ∇_M L_tr(V − εu)) / 2ε. Error of order ε². */
export function finiteDifference(length = STEP_LENGTH): HypergradientEstimator {
  return {
    secondDerivatives: "none",
    wantsMagnitudeGradients: false,
    isSecondOrder: true,
    secondTerm: (point, { weighted }) =>
      alongStep(point, weighted, length, (epsilon) => {
        const ahead = point.magnitudeGradientsAt(weighted, epsilon);
        return quotient(ahead, point.magnitudeGradientsAt(weighted, -epsilon), 2 * epsilon);
      }),
  };
}

/** One-sided: ∇_M L_tr(V) comes with the lower step for nothing. Error of order ε. */
export function forwardDifference(length = STEP_LENGTH): HypergradientEstimator {
  return {
    secondDerivatives: "none",
    wantsMagnitudeGradients: true,
    isSecondOrder: true,
    secondTerm: (point, { weighted }: SecondTermDirection) =>
      alongStep(point, weighted, length, (epsilon) =>
        quotient(point.magnitudeGradientsAt(weighted, epsilon), point.magnitudeGradients, epsilon),
      ),
  };
}

function alongStep(
  point: LowerPoint,
  u: readonly torch.Tensor[],
  length: number,
  difference: (epsilon: number) => torch.Tensor[],
): torch.Tensor[] {
  const epsilon = stepSize(u, length);
  return epsilon === undefined ? point.magnitudes.map((m) => torch.zerosLike(m)) : difference(epsilon);
}

function quotient(a: readonly torch.Tensor[], b: readonly torch.Tensor[], divisor: number): torch.Tensor[] {
  return torch.noGrad(() => torch.foreachMulScalar(torch.foreachSub(a, b), 1 / divisor));
}
