import { modulePathOf } from "../report/figures/magnitudes.js";

/**
 * What each layer is in the stack, as short as tells them apart: `query` for `encoder.layer.3.attention.self.query`, but
 * `attention.output.dense` where there is an `output.dense` too.
 */
export function kindsOf(paths: readonly string[]): ReadonlyMap<string, string> {
  const whole = [...new Set(paths.map((path) => modulePathOf(path).kind))];
  const short = new Map(whole.map((kind) => [kind, shortest(kind, whole)]));
  return new Map(paths.map((path) => [path, short.get(modulePathOf(path).kind)!]));
}

function shortest(kind: string, all: readonly string[]): string {
  const names = kind.split(".");
  const ends = names.map((_, at) => names.slice(names.length - 1 - at).join("."));
  const isTaken = (end: string) => all.some((other) => other !== kind && (other === end || other.endsWith(`.${end}`)));
  return ends.find((end) => !isTaken(end)) ?? kind;
}
