/** Macros, and the `{% call %}` blocks that they receive as `caller`. */
import type { Parameter, Statement } from "./ast.js";
import { refuse, type StepBudget } from "./error.js";
import { evaluate, Scope } from "./expressions.js";
import { type Arguments, Callable, Tuple, type Value } from "./values.js";

/** The variables that a macro has besides its parameters, if its body uses them: the call block, and extra arguments. */
const IMPLICIT = ["caller", "varargs", "kwargs"] as const;
type Implicit = ReadonlySet<(typeof IMPLICIT)[number]>;

interface Signature {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly takes: Implicit;
}

/** @param write renders the body in the scope of one call */
export function macroOf(
  signature: Signature,
  outer: Scope,
  steps: StepBudget,
  write: (scope: Scope) => string,
): Callable {
  return new Callable(signature.name, (given) => {
    const scope = new Scope(outer);
    const names = signature.parameters.map(nameOf);
    for (const [i, parameter] of signature.parameters.entries()) bind(parameter, i, given, scope, steps);
    bindImplicit(signature, names, given, scope);
    return write(scope);
  });
}

const nameOf = (parameter: Parameter): string =>
  parameter.type === "Identifier" ? parameter.value : parameter.key.value;

function bind(parameter: Parameter, i: number, given: Arguments, scope: Scope, steps: StepBudget): void {
  const name = nameOf(parameter);
  const isGiven = i < given.positional.length || given.named.has(name);
  const fallback = parameter.type === "Identifier" ? undefined : evaluate(parameter.value, scope, steps);
  scope.set(name, isGiven ? argumentOf(given, i, name) : fallback);
}

function argumentOf({ positional, named }: Arguments, i: number, name: string): Value {
  if (i >= positional.length) return named.get(name);
  return named.has(name) ? refuse(`the parameter ${name} has two values`) : positional[i];
}

function bindImplicit({ name, takes }: Signature, names: readonly string[], given: Arguments, scope: Scope): void {
  const others = new Map([...given.named].filter(([key]) => !names.includes(key)));
  if (takes.has("caller") && !names.includes("caller")) {
    scope.set("caller", others.get("caller"));
    others.delete("caller");
  }
  const more = given.positional.slice(names.length);
  if ((others.size > 0 && !takes.has("kwargs")) || (more.length > 0 && !takes.has("varargs")))
    refuse(`the macro ${name} has arguments that it does not take`);
  if (takes.has("kwargs")) scope.set("kwargs", others);
  if (takes.has("varargs")) scope.set("varargs", Tuple.from(more));
}

/** By body: a loop may define the same macro many times. */
const implicitOf = new WeakMap<readonly Statement[], Implicit>();

/** The implicit variables that a macro's body uses. */
export function implicitIn(body: readonly Statement[]): Implicit {
  const found = implicitOf.get(body) ?? searched(body);
  implicitOf.set(body, found);
  return found;
}

function searched(body: readonly Statement[]): Implicit {
  const found = new Set<string>();
  collectNames(body, found);
  return new Set(IMPLICIT.filter((name) => found.has(name)));
}

function collectNames(node: unknown, found: Set<string>): void {
  if (typeof node !== "object" || node === null) return;
  if (node instanceof Map) {
    for (const pair of node) collectNames(pair, found);
    return;
  }
  const { type, value } = node as { readonly type?: unknown; readonly value?: unknown };
  if (type === "Identifier" && typeof value === "string") found.add(value);
  for (const part of Object.values(node)) collectNames(part, found);
}
