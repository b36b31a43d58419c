// The hypergradient of weight decays λ = exp(θ) that an upper level trains. The lower step is p' = p − η·λ·p − (what does not depend on λ).

import * as torch from "../../torch/index.js";
import type { GroupDecays } from "../steps/groupDecays.js";
import type { Level, Update } from "../steps/level.js";
import type { HypergradientEstimator, LowerPoint } from "./estimators.js";

/**
 * −∂p'/∂θ = η·λ·p, with any optimizer: that of a group is λ·Σ η·⟨p, v⟩ over its tensors, p before the step and v = ∇_{p'} L_val after it.
 * It is exact, and all of the hypergradient.
 */
export const throughDecay = (decays: GroupDecays): HypergradientEstimator => ({
  secondTerm: ({ lower }, { v, rates }) => {
    const inner = (place: number) => torch.sum(torch.mul(lower[place]!, v[place]!), { dtype: "float64" });
    const ofGroups = decays.groups.map(({ members, weightDecay }) => {
      const products = torch.noGrad(() => torch.stack(members.map(inner))).toArray();
      return weightDecay * products.reduce((sum, product, i) => sum + rates[members[i]!]! * product, 0);
    });
    return [torch.tensor(ofGroups, [ofGroups.length], "float64")];
  },
});

/**
 * The same by autograd, for an AdamW step that is repeated in recorded operators.
 * @param lower the level after the step
 * @returns the second term, and the repeated step's p'
 */
export function throughRecordedStep(
  decays: GroupDecays,
  lower: Level,
  { point, v, update }: { readonly point: LowerPoint; readonly v: readonly torch.Tensor[]; readonly update: Update },
): { readonly second: readonly torch.Tensor[]; readonly stepped: readonly torch.Tensor[] } {
  const logs = torch.noGrad(() => torch.clone(decays.logs.tensor)).setRequiresGrad(true);
  const lambdas = torch.exp(logs);
  const groups = decays.groups.map(({ members }) => members);
  const stepped = point.lower.map((p, place) => {
    const group = groups.findIndex((members) => members.includes(place));
    const rate = update.rates[place]!;
    const change = adamChange(lower, place, rate);
    if (group < 0) return torch.noGrad(() => torch.sub(p, change));
    const shrinkage = torch.mulScalar(torch.select(lambdas, 0, group), rate);
    return torch.sub(torch.sub(torch.detach(p), torch.mul(torch.detach(p), shrinkage)), change);
  });
  const recorded = [...stepped.keys()].filter((place) => stepped[place]!.requiresGrad);
  const [through] = torch.grad(
    recorded.map((place) => stepped[place]!),
    [logs],
    { gradOutputs: recorded.map((place) => v[place]!) },
  );
  return { second: [torch.noGrad(() => torch.neg(through!))], stepped };
}

/** η·m̂ / (√v̂ + ε) of the step that a level has just taken. */
function adamChange(level: Level, place: number, learningRate: number): torch.Tensor {
  const { adamBeta1, adamBeta2, adamEpsilon } = level.options;
  const { steps, tensors } = level.save();
  const memory = (key: string) => tensors.get(`${level.trained[place]!.name}.${key}`)!;
  return torch.noGrad(() => {
    const mean = torch.divScalar(memory("exp_avg"), 1 - adamBeta1 ** steps);
    const root = torch.sqrt(torch.divScalar(memory("exp_avg_sq"), 1 - adamBeta2 ** steps));
    return torch.mulScalar(torch.div(mean, torch.addScalar(root, adamEpsilon)), learningRate);
  });
}
