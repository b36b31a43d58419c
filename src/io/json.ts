import { readFileSync } from "node:fs";
import { BidoraError } from "../common/errors.js";
import { refuseSpecialFile } from "../common/inputFile.js";

/** A value that a JSON file holds. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
/** An object in a JSON file. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads a JSON file that must hold one object. @throws BidoraError `JSON` naming the file and what is wrong with it. */
export function readJsonObject(path: string): JsonObject {
  const value = parse(path, readText(path));
  if (!isJsonObject(value))
    throw new BidoraError("JSON", `${path} must hold a JSON object, but holds ${kindOf(value)}.`);
  return value;
}

/**
 * The first key that an object in `text` has twice, which `JSON.parse` would pass over in silence. `text` must be valid JSON.
 * Goes by characters, as an expression overflows on a string of millions.
 */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{") open.push(new Set());
    else if (character === "[") open.push(undefined);
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      if (isKey(text, end)) {
        const key = JSON.parse(text.slice(at, end)) as string;
        const keys = open.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** Just after the quote that closes the string whose first quote stands at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function isKey(text: string, afterString: number): boolean {
  let at = afterString;
  while (/\s/.test(text[at] ?? "")) at++;
  return text[at] === ":";
}

function readText(path: string): string {
  refuseSpecialFile(path);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it does not exist" : message;
    throw new BidoraError("JSON", `Cannot read ${path}: ${why}.`, { cause: error });
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new BidoraError("JSON", `${path} is not valid JSON: ${(error as Error).message}.`, { cause: error });
  }
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
}
