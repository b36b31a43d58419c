// Tangent rules by operator.
import { geluMulRule, geluRule, siluMulRule, torchGeluRule } from "../operators/activation.js";
import { attentionRule } from "../operators/attention.js";
import { checkpointRule } from "../operators/checkpoint.js";
import { directionGainRule, directionNormRule } from "../operators/directionNorm.js";
import { genericRule } from "../operators/formulaRule.js";
import { linearRule, torchLinearRule } from "../operators/linear.js";
import { linearCrossEntropyRule } from "../operators/linearCrossEntropy.js";
import { lowRankLinearRule } from "../operators/lowRankTangent.js";
import { dropoutAddNormRule, rowNormRule } from "../operators/norms.js";
import { rotaryRule } from "../operators/rotary.js";
import type { Rule } from "../operators/rule.js";
import { divRule, LINEAR_MAPS, linearMapRule, maskedFillRule } from "./libtorchRules.js";

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...LINEAR_MAPS.map((name) => [name, linearMapRule] as const),
  ["aten::linear", torchLinearRule],
  ["aten::div.Tensor", divRule],
  ["aten::gelu", torchGeluRule],
  ["aten::masked_fill.Scalar", maskedFillRule],
  ["bidora::attention", attentionRule],
  ["bidora::direction_gain", directionGainRule],
  ["bidora::direction_norm", directionNormRule],
  ["bidora::dropout_add_norm", dropoutAddNormRule],
  ["bidora::gelu", geluRule],
  ["bidora::gelu_mul", geluMulRule],
  ["bidora::linear", linearRule],
  ["bidora::linear_cross_entropy", linearCrossEntropyRule],
  ["bidora::low_rank_linear", lowRankLinearRule],
  ["bidora::rotary", rotaryRule],
  ["bidora::row_norm", rowNormRule],
  ["bidora::silu_mul", siluMulRule],
  ["checkpoint", checkpointRule],
]);

/** The rule of an operator: its own, or automatic differentiation. */
export function ruleOf(operator: string): Rule {
  return RULES.get(operator) ?? genericRule;
}
