// The one reader of JSON files.
import { existsSync, readFileSync } from "node:fs";
import { BidoraError } from "../common/errors.js";
import { refuseSpecialFile } from "../common/fileSystem.js";

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
  const value = parse(path, readText(path, code), code);
  if (!isJsonObject(value)) throw new BidoraError(code, `${path} must hold a JSON object, but holds ${kindOf(value)}.`);
  return value;
}

/** Reads a JSON file that must hold a list of objects. @throws as `readJsonObject` */
export function readJsonObjects(path: string, code = "JSON"): readonly JsonObject[] {
  const value = parse(path, readText(path, code), code);
  if (Array.isArray(value) && value.every(isJsonObject)) return value;
  throw new BidoraError(code, `${path} must hold a list of JSON objects, but holds ${kindOf(value)}.`);
}

/** The same as `readJsonObject`, but an empty object if there is no such file. */
export const readOptionalJsonObject = (path: string, code = "JSON"): JsonObject =>
  existsSync(path) ? readJsonObject(path, code) : {};

/** Parses text that may not be JSON, such as a line that a killed process left incomplete; undefined if it is not. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readText(path: string, code: string): string {
  refuseSpecialFile(path);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code: cause, message } = error as NodeJS.ErrnoException;
    const why = cause === "ENOENT" ? "it does not exist" : message;
    throw new BidoraError(code, `Cannot read ${path}: ${why}.`, { cause: error });
  }
}

function parse(path: string, text: string, code: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new BidoraError(code, `${path} is not valid JSON: ${(error as Error).message}.`, { cause: error });
  }
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
