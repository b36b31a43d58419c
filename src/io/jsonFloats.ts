import type { JsonObject } from "./json.js";

const PAIR = /("(?:[^"\\]|\\.)*")\s*:\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,}])/g;
const PAIR_ON_A_LINE = /^( *)("(?:[^"\\]|\\.)*": -?\d+)(?=,?$)/gm;

/**
 * `value` as indented JSON, in which a number that `source` has as a float under its key, such as `0.0`, is no whole number:
 * transformers refuses `0` where a configuration's class says float.
 */
export function withFloatsOf(source: string, value: JsonObject): string {
  const floats = new Map<string, string>();
  for (const [, key, literal] of source.matchAll(PAIR))
    if (literal && !/^-?\d+$/.test(literal)) floats.set(`${key}: ${Number(literal)}`, `${key}: ${literal}`);
  const text = JSON.stringify(value, undefined, 2);
  return text.replace(PAIR_ON_A_LINE, (_, indent: string, pair: string) => indent + (floats.get(pair) ?? pair));
}
