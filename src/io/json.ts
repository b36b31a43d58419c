import { readFileSync } from "node:fs";
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

/** Reads a JSON file that must hold one object. @throws BidoraError `JSON` naming the file and what is wrong with it. */
export function readJsonObject(path: string): JsonObject {
  const value = parse(path, readText(path));
  if (!isJsonObject(value))
    throw new BidoraError("JSON", `${path} must hold a JSON object, but holds ${kindOf(value)}.`);
  return value;
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
