/** Evaluates expressions, with the variables in scope. */
import type { Call, Expression, Identifier, Member } from "./ast.js";
import { refuse, type StepBudget } from "./error.js";
import { applyFilter } from "./filters.js";
import { numberLiteral } from "./lexer.js";
import { attribute, item } from "./members.js";
import { operate } from "./operators.js";
import { TEST, TUPLE_END } from "./parser.js";
import { requireString } from "./strings.js";
import { applyTest } from "./tests.js";
import {
  type Arguments,
  Callable,
  isDict,
  isList,
  isNumber,
  isTruthy,
  itemsOf,
  keyOf,
  numberLike,
  requireInt,
  sliceOf,
  Tuple,
  typeName,
  type Value,
} from "./values.js";

/** The variables of a block, then those of the blocks around it. */
export class Scope {
  private readonly variables = new Map<string, Value>();

  constructor(private readonly outer?: Scope | ReadonlyMap<string, Value>) {}

  get(name: string): Value {
    return this.variables.has(name) ? this.variables.get(name) : this.outer?.get(name);
  }

  set(name: string, value: Value): void {
    this.variables.set(name, value);
  }
}

/** The longest string that an expression may produce. */
const MAX_CHARACTERS = 2 ** 26;
const CHARACTERS_PER_STEP = 2 ** 12;
const ITEMS_PER_STEP = 2 ** 4;

const NO_ARGUMENTS: Arguments = { positional: [], named: new Map() };

/** @throws TemplateError if Python raises an error, or the expression is not supported */
export function evaluate(node: Expression, scope: Scope, steps: StepBudget): Value {
  steps.take(1);
  const value = compute(node, scope, steps);
  // Large values cost more steps.
  if (isList(value)) steps.take(value.length / ITEMS_PER_STEP);
  if (typeof value === "string") {
    if (value.length > MAX_CHARACTERS) refuse(`it builds a string of more than ${MAX_CHARACTERS} characters`);
    steps.take(value.length / CHARACTERS_PER_STEP);
  }
  return value;
}

function compute(node: Expression, scope: Scope, steps: StepBudget): Value {
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
      return numberLiteral(node.value) ?? scope.get(node.value);
    case "UnaryExpression":
      return unary(node.operator.value, of(node.argument));
    case "BinaryExpression": {
      const left = of(node.left);
      if (node.operator.value === "and") return isTruthy(left) ? of(node.right) : left;
      if (node.operator.value === "or") return isTruthy(left) ? left : of(node.right);
      return operate(node.operator.value, left, of(node.right));
    }
    case "Ternary":
      return isTruthy(of(node.condition)) ? of(node.trueExpr) : of(node.falseExpr);
    case "SelectExpression":
      return isTruthy(of(node.test)) ? of(node.lhs) : undefined;
    case "TestExpression":
      return applyTest(node.test.value, of(node.operand)) !== node.negate;
    case "FilterExpression":
      return filtered(of(node.operand), node.filter, scope, steps);
    case "MemberExpression":
      return member(node, of);
    case "CallExpression":
      return call(node, scope, steps);
    default:
      return refuse(`unsupported expression ${(node as { type: string }).type}`);
  }
}

function unary(operator: string, value: Value): Value {
  if (operator === "not") return !isTruthy(value);
  const number = numberLike(value);
  if (!isNumber(number)) return refuse(`it computes ${operator} ${typeName(value)}`);
  return operator === "-" ? -number : number;
}

const isTupleEnd = (node: Expression): boolean => node.type === "Identifier" && node.value === TUPLE_END;

export function filtered(value: Value, filter: Identifier | Call, scope: Scope, steps: StepBudget): Value {
  if (filter.type === "Identifier") return applyFilter(filter.value, value, NO_ARGUMENTS);
  if (filter.type !== "CallExpression" || filter.callee.type !== "Identifier")
    return refuse("an item or attribute of a filter or test needs parentheses around the filter or test");
  const [name, args] = [filter.callee.value, argumentsOf(filter, scope, steps)];
  return name.startsWith(TEST) ? tested(name.slice(TEST.length), value, args) : applyFilter(name, value, args);
}

function tested(test: string, value: Value, { positional, named }: Arguments): boolean {
  const name = test.replace(/^not /, "");
  if (named.size > 0) return refuse(`unsupported arguments of the test ${name}`);
  return applyTest(name, value, positional) === (name === test);
}

function member({ object, property, computed }: Member, of: (part: Expression) => Value): Value {
  const value = of(object);
  if (!computed && property.type === "Identifier")
    return numberLiteral(property.value) === undefined ? attribute(value, property.value) : item(value, of(property));
  if (property.type !== "SliceExpression") return item(value, of(property));
  const bounds = [property.start, property.stop, property.step].map((part) => part && boundOf(of(part)));
  return sliceOf(value, bounds);
}

/** None means no bound. */
const boundOf = (bound: Value): number | undefined =>
  bound === null ? undefined : Number(requireInt(bound, "the bound of a slice"));

function call(node: Call, scope: Scope, steps: StepBudget): Value {
  const callee = evaluate(node.callee, scope, steps);
  if (callee instanceof Callable) return callee.call(argumentsOf(node, scope, steps));
  const name = node.callee.type === "Identifier" ? `${node.callee.value}, which is ` : "";
  return refuse(`it calls ${name}${typeName(callee)}`);
}

export function argumentsOf({ args }: Call, scope: Scope, steps: StepBudget): Arguments {
  const positional: Value[] = [];
  const named = new Map<string, Value>();
  for (const argument of args) {
    if (argument.type === "KeywordArgumentExpression")
      named.set(argument.key.value, evaluate(argument.value, scope, steps));
    else if (argument.type === "SpreadExpression")
      positional.push(...itemsOf(evaluate(argument.argument, scope, steps)));
    else if (argument.type === "KeywordSpreadExpression") {
      const given = evaluate(argument.argument, scope, steps);
      for (const [key, value] of isDict(given) ? given : refuse(`it unpacks ${typeName(given)} with **`))
        named.set(requireString(key), value);
    } else positional.push(evaluate(argument, scope, steps));
  }
  return { positional, named };
}
