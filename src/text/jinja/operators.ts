import { refuse } from "./fault.js";
import { concatenated } from "./strings.js";
import { contains, isEqual, isList, kindOf, numberLike, type Value } from "./values.js";

const ON_NUMBERS: Readonly<Record<string, (a: number, b: number) => Value>> = {
  "+": (a, b) => whole(a + b),
  "-": (a, b) => whole(a - b),
  "*": (a, b) => whole(a * b),
  "//": (a, b) => whole(Math.floor(a / b)),
  "%": (a, b) => whole(((a % b) + b) % b),
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

/** An operator of two sides, but for `and` and `or`. @throws TemplateFault where Python has none, or is not followed */
export function operate(operator: string, left: Value, right: Value): Value {
  if (operator === "==") return isEqual(left, right);
  if (operator === "!=") return !isEqual(left, right);
  if (operator === "in") return contains(right, left);
  if (operator === "not in") return !contains(right, left);
  if (operator === "~") return concatenated(left, right);
  if (operator === "+" && typeof left === "string" && typeof right === "string") return left + right;
  if (operator === "+" && isList(left) && isList(right)) return [...left, ...right];
  const [a, b] = [numberLike(left), numberLike(right)];
  const apply = Object.hasOwn(ON_NUMBERS, operator) ? ON_NUMBERS[operator] : undefined;
  if (apply && typeof a === "number" && typeof b === "number") return apply(a, b);
  return refuse(`it has ${kindOf(left)} ${operator} ${kindOf(right)}`);
}

function whole(number: number): number {
  return Number.isSafeInteger(number) ? number : refuse("it computes a number that is not whole, or too large");
}
