import type { Rule } from "./rule.js";
import { attention } from "./rules/attention.js";
import { directionNorm } from "./rules/directionNorm.js";
import { dropoutAddNorm } from "./rules/dropoutAddNorm.js";
import { generic } from "./rules/formula.js";
import { gelu } from "./rules/gelu.js";
import { linear } from "./rules/linear.js";
import { LINEAR_MAPS, linearMap } from "./rules/linearMap.js";
import { lowRankLinear, lowRankLinearInPlace } from "./rules/lowRankLinear.js";

/** Rules by operator. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...LINEAR_MAPS.map((name) => [name, linearMap] as const),
  ["aten::linear", linear],
  ["aten::gelu", gelu],
  ["bidora::attention", attention],
  ["bidora::direction_norm", directionNorm],
  ["bidora::dropout_add_norm", dropoutAddNorm],
  ["bidora::low_rank_linear", lowRankLinear],
  ["bidora::low_rank_linear_", lowRankLinearInPlace],
]);

/** The rule of an operator: its own, or automatic differentiation. */
export function ruleOf(operator: string): Rule {
  return RULES.get(operator) ?? generic;
}
