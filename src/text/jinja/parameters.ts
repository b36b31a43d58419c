import { refuse } from "./fault.js";
import type { Arguments, Value } from "./values.js";

export type Filter = (value: Value, args: Arguments) => Value;

/** The values of parameters, given by place or by name. @throws TemplateFault for what is none of them */
export function parameters(filter: string, { positional, named }: Arguments, ...names: readonly string[]): Value[] {
  const isUnknown = [...named.keys()].some((name) => names.indexOf(name) < positional.length);
  if (isUnknown || positional.length > names.length)
    return refuse(`the arguments of the filter ${filter} are not known`);
  return names.map((name, i) => (i < positional.length ? positional[i] : named.get(name)));
}

/** A filter without parameters. */
export const plain =
  (name: string, apply: (value: Value) => Value): Filter =>
  (value, args) => {
    parameters(name, args);
    return apply(value);
  };
