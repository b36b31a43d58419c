import type { Rule } from "./rule.js";
import { attention } from "./rules/attention.js";
import { checkpoint } from "./rules/checkpoint.js";
import { directionGain } from "./rules/directionGain.js";
import { directionNorm } from "./rules/directionNorm.js";
import { div } from "./rules/div.js";
import { dropoutAddNorm } from "./rules/dropoutAddNorm.js";
import { generic } from "./rules/formula.js";
import { geluMul, siluMul } from "./rules/gated.js";
import { gelu } from "./rules/gelu.js";
import { linear } from "./rules/linear.js";
import { linearCrossEntropy } from "./rules/linearCrossEntropy.js";
import { LINEAR_MAPS, linearMap } from "./rules/linearMap.js";
import { lowRankLinear } from "./rules/lowRankLinear.js";
import { maskedFill } from "./rules/maskedFill.js";
import { rotary } from "./rules/rotary.js";
import { rowNorm } from "./rules/rowNorm.js";

/** Rules by operator. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...LINEAR_MAPS.map((name) => [name, linearMap] as const),
  ["aten::linear", linear],
  ["aten::div.Tensor", div],
  ["aten::gelu", gelu],
  ["bidora::gelu", gelu],
  ["aten::masked_fill.Scalar", maskedFill],
  ["bidora::attention", attention],
  ["checkpoint", checkpoint],
  ["bidora::direction_gain", directionGain],
  ["bidora::direction_norm", directionNorm],
  ["bidora::dropout_add_norm", dropoutAddNorm],
  ["bidora::linear", linear],
  ["bidora::linear_cross_entropy", linearCrossEntropy],
  ["bidora::low_rank_linear", lowRankLinear],
  ["bidora::gelu_mul", geluMul],
  ["bidora::rotary", rotary],
  ["bidora::row_norm", rowNorm],
  ["bidora::silu_mul", siluMul],
]);

/** The rule of an operator: its own, or automatic differentiation. */
export function ruleOf(operator: string): Rule {
  return RULES.get(operator) ?? generic;
}
