// The one reader of JSON files.
import { existsSync } from "node:fs";
import { BidoraError } from "../errors.js";
import { readTextFile } from "../fileSystem.js";

/** A value that a JSON file holds. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
/** An object in a JSON file. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads a JSON file that must hold one object.
 * @param code of the error
 * @throws BidoraError naming the file and what is wrong with it
 */
export function readJsonObject(path: string, code = "JSON"): JsonObject {
  const value = parse(path, readTextFile(path, code), code);
  if (!isJsonObject(value)) throw new BidoraError(code, `${path} must hold a JSON object, but holds ${kindOf(value)}.`);
  return value;
}

/** Reads a JSON file that must hold a list of objects. @throws as `readJsonObject` */
export function readJsonObjects(path: string, code = "JSON"): readonly JsonObject[] {
  const value = parse(path, readTextFile(path, code), code);
  if (Array.isArray(value) && value.every(isJsonObject)) return value;
  throw new BidoraError(code, `${path} must hold a list of JSON objects, but holds ${kindOf(value)}.`);
}

/** The same as `readJsonObject`, but an empty object if there is no such file. */
export const readOptionalJsonObject = (path: string, code = "JSON"): JsonObject =>
  existsSync(path) ? readJsonObject(path, code) : {};

/** Parses text that may not be JSON, such as a line that a killed process left incomplete; undefined if it is not, or too deep. */
export function parsedJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeep(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

function parse(path: string, text: string, code: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new BidoraError(code, `${path} is not valid JSON: ${(error as Error).message}.`, { cause: error });
  }
  if (isDeep(value)) throw new BidoraError(code, `${path} is nested more than ${MOST_LEVELS} levels deep.`);
  return value;
}

/** Far more levels than any file needs, and few enough for functions that call themselves at each level. */
const MOST_LEVELS = 200;

/** Whether a value has lists or objects at more than so many levels. */
export function isDeep(value: unknown, levels = MOST_LEVELS): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  // A vocabulary has many thousands of numbers, which need no call of their own.
  for (const part of Object.values(value)) if (typeof part === "object" && isDeep(part, levels - 1)) return true;
  return false;
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
}

const PAIR = /("(?:[^"\\]|\\.)*")\s*:\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,}])/g;
const PAIR_ON_A_LINE = /^( *)("(?:[^"\\]|\\.)*": -?\d+)(?=,?$)/gm;

/**
 * `value` as indented JSON. A number that `source` spells as a float under the same key, such as `0.0`, keeps that spelling:
 * transformers refuses `0` where a configuration's class expects a float.
 */
export function withFloatsOf(source: string, value: JsonObject): string {
  const floats = new Map<string, string>();
  for (const [, key, literal] of source.matchAll(PAIR))
    if (literal && !/^-?\d+$/.test(literal)) floats.set(`${key}: ${Number(literal)}`, `${key}: ${literal}`);
  const text = JSON.stringify(value, undefined, 2);
  return text.replace(PAIR_ON_A_LINE, (_, indent: string, pair: string) => indent + (floats.get(pair) ?? pair));
}
