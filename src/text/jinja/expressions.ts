import type { Call, Expression, Identifier, Member } from "./ast.js";
import { refuse } from "./fault.js";
import { applyFilter } from "./filters.js";
import { numberOf } from "./literals.js";
import { attribute, item } from "./members.js";
import { operate } from "./operators.js";
import { TEST, TUPLE_END } from "./rewrite.js";
import type { Scope } from "./scope.js";
import type { Steps } from "./steps.js";
import { stringOf } from "./strings.js";
import { applyTest } from "./tests.js";
import {
  type Arguments,
  Callable,
  isDict,
  isList,
  isNumber,
  isTrue,
  itemsOf,
  keyOf,
  kindOf,
  numberLike,
  sliceOf,
  Tuple,
  type Value,
  wholeNumber,
} from "./values.js";

/** The longest text that an expression may give. */
const MOST_CHARACTERS = 2 ** 26;
const CHARACTERS_PER_STEP = 2 ** 12;
const ITEMS_PER_STEP = 2 ** 4;

const NO_ARGUMENTS: Arguments = { positional: [], named: new Map() };

/** What an expression is worth. @throws TemplateFault where Python would raise an error, or is not followed */
export function evaluate(node: Expression, scope: Scope, steps: Steps): Value {
  steps.take(1);
  const value = compute(node, scope, steps);
  // What is made takes its time too.
  if (isList(value)) steps.take(value.length / ITEMS_PER_STEP);
  if (typeof value === "string") {
    if (value.length > MOST_CHARACTERS) refuse(`it makes a text of more than ${MOST_CHARACTERS} characters`);
    steps.take(value.length / CHARACTERS_PER_STEP);
  }
  return value;
}

function compute(node: Expression, scope: Scope, steps: Steps): Value {
  const of = (part: Expression): Value => evaluate(part, scope, steps);
  switch (node.type) {
    case "StringLiteral":
      return node.value;
    case "ArrayLiteral":
      return node.value.map(of);
    case "TupleLiteral":
      return Tuple.from(node.value.filter((part) => !isTupleEnd(part)).map(of));
    case "ObjectLiteral":
      return new Map([...node.value].map(([key, value]) => [keyOf(of(key)), of(value)]));
    case "Identifier":
      return numberOf(node.value) ?? scope.get(node.value);
    case "UnaryExpression":
      return unary(node.operator.value, of(node.argument));
    case "BinaryExpression": {
      const left = of(node.left);
      if (node.operator.value === "and") return isTrue(left) ? of(node.right) : left;
      if (node.operator.value === "or") return isTrue(left) ? left : of(node.right);
      return operate(node.operator.value, left, of(node.right));
    }
    case "Ternary":
      return isTrue(of(node.condition)) ? of(node.trueExpr) : of(node.falseExpr);
    case "SelectExpression":
      return isTrue(of(node.test)) ? of(node.lhs) : undefined;
    case "TestExpression":
      return applyTest(node.test.value, of(node.operand)) !== node.negate;
    case "FilterExpression":
      return filtered(of(node.operand), node.filter, scope, steps);
    case "MemberExpression":
      return member(node, of);
    case "CallExpression":
      return call(node, scope, steps);
    default:
      return refuse(`it has a ${(node as { type: string }).type}, which is not known`);
  }
}

function unary(operator: string, value: Value): Value {
  if (operator === "not") return !isTrue(value);
  const number = numberLike(value);
  if (!isNumber(number)) return refuse(`it puts a sign before ${kindOf(value)}`);
  return operator === "-" ? -number : number;
}

const isTupleEnd = (node: Expression): boolean => node.type === "Identifier" && node.value === TUPLE_END;

export function filtered(value: Value, filter: Identifier | Call, scope: Scope, steps: Steps): Value {
  if (filter.type === "Identifier") return applyFilter(filter.value, value, NO_ARGUMENTS);
  if (filter.type !== "CallExpression" || filter.callee.type !== "Identifier")
    return refuse("it takes an item or attribute of a filter or test without brackets around it");
  const [name, args] = [filter.callee.value, argumentsOf(filter, scope, steps)];
  return name.startsWith(TEST) ? tested(name.slice(TEST.length), value, args) : applyFilter(name, value, args);
}

function tested(test: string, value: Value, { positional, named }: Arguments): boolean {
  const name = test.replace(/^not /, "");
  if (named.size > 0) return refuse(`the arguments of the test ${name} are not known`);
  return applyTest(name, value, positional) === (name === test);
}

function member({ object, property, computed }: Member, of: (part: Expression) => Value): Value {
  const value = of(object);
  if (!computed && property.type === "Identifier")
    return numberOf(property.value) === undefined ? attribute(value, property.value) : item(value, of(property));
  if (property.type !== "SliceExpression") return item(value, of(property));
  const bounds = [property.start, property.stop, property.step].map((part) => part && boundOf(of(part)));
  return sliceOf(value, bounds);
}

/** None is as good as no bound. */
const boundOf = (bound: Value): number | undefined =>
  bound === null ? undefined : Number(wholeNumber(bound, "the bound of a slice"));

function call(node: Call, scope: Scope, steps: Steps): Value {
  const callee = evaluate(node.callee, scope, steps);
  if (callee instanceof Callable) return callee.call(argumentsOf(node, scope, steps));
  return refuse(`it calls ${nameOf(node.callee)}, which is ${kindOf(callee)}`);
}

const nameOf = (node: Expression): string => (node.type === "Identifier" ? node.value : "what is no name");

export function argumentsOf({ args }: Call, scope: Scope, steps: Steps): Arguments {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  for (const argument of args) {
    if (argument.type === "KeywordArgumentExpression")
      named.set(argument.key.value, evaluate(argument.value, scope, steps));
    else if (argument.type === "SpreadExpression")
      positional.push(...itemsOf(evaluate(argument.argument, scope, steps)));
    else if (argument.type === "KeywordSpreadExpression") {
      const given = evaluate(argument.argument, scope, steps);
      for (const [key, value] of isDict(given) ? given : refuse(`it has ** before ${kindOf(given)}`))
        named.set(stringOf(key), value);
    } else positional.push(evaluate(argument, scope, steps));
  }
  return { positional, named };
}
