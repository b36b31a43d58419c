/** Macros, and the blocks that are handed to them. */
import type { Parameter, Statement } from "./ast.js";
import { evaluate } from "./expressions.js";
import { refuse } from "./fault.js";
import { Scope } from "./scope.js";
import type { Steps } from "./steps.js";
import { type Arguments, Callable, Tuple, type Value } from "./values.js";

/** What a macro can find beside its parameters: a block that is handed to it, and arguments beyond them. */
const BESIDE = ["caller", "varargs", "kwargs"] as const;
type Beside = ReadonlySet<(typeof BESIDE)[number]>;

interface Signature {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly takes: Beside;
}

/** @param write what its body writes in a scope of its own */
export function macroOf(signature: Signature, outer: Scope, steps: Steps, write: (scope: Scope) => string): Callable {
  return new Callable(signature.name, (given) => {
    const scope = new Scope(outer);
    const names = signature.parameters.map(nameOf);
    for (const [i, parameter] of signature.parameters.entries()) bind(parameter, i, given, scope, steps);
    bindBeside(signature, names, given, scope);
    return write(scope);
  });
}

const nameOf = (parameter: Parameter): string =>
  parameter.type === "Identifier" ? parameter.value : parameter.key.value;

function bind(parameter: Parameter, i: number, given: Arguments, scope: Scope, steps: Steps): void {
  const name = nameOf(parameter);
  const isGiven = i < given.positional.length || given.named.has(name);
  const standard = parameter.type === "Identifier" ? undefined : evaluate(parameter.value, scope, steps);
  scope.set(name, isGiven ? argumentOf(given, i, name) : standard);
}

function argumentOf({ positional, named }: Arguments, i: number, name: string): Value {
  if (i >= positional.length) return named.get(name);
  return named.has(name) ? refuse(`the parameter ${name} is given twice`) : positional[i];
}

function bindBeside({ name, takes }: Signature, names: readonly string[], given: Arguments, scope: Scope): void {
  const others = new Map([...given.named].filter(([key]) => !names.includes(key)));
  if (takes.has("caller") && !names.includes("caller")) {
    scope.set("caller", others.get("caller"));
    others.delete("caller");
  }
  const more = given.positional.slice(names.length);
  if ((others.size > 0 && !takes.has("kwargs")) || (more.length > 0 && !takes.has("varargs")))
    refuse(`the macro ${name} is given more than it takes`);
  if (takes.has("kwargs")) scope.set("kwargs", others);
  if (takes.has("varargs")) scope.set("varargs", Tuple.from(more));
}

/** By body: a macro may be met again and again. */
const known = new WeakMap<readonly Statement[], Beside>();

/** Which of those names a macro's body looks at. */
export function takenBeside(body: readonly Statement[]): Beside {
  const found = known.get(body) ?? lookedAt(body);
  known.set(body, found);
  return found;
}

function lookedAt(body: readonly Statement[]): Beside {
  const found = new Set<string>();
  collectNames(body, found);
  return new Set(BESIDE.filter((name) => found.has(name)));
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
