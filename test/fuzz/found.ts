// Inputs that faults were found with: reduced, one a file.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./files.js";
import type { Input } from "./target.js";

export const FOUND = join(ROOT, "test", "fuzz", "found");

/** The name of the file with an input. */
export const nameOf = (target: string, key: string): string => `${target.replace(/\W+/g, "-")}-${key}.json`;

/** An input, and what was wrong with how it was taken. */
export interface FoundInput {
  readonly target: string;
  readonly fault: string;
  readonly input: Input;
}

export const foundInputs = (): (FoundInput & { readonly name: string })[] =>
  readdirSync(FOUND)
    .filter((name) => name.endsWith(".json"))
    .map((name) => ({ name, ...(JSON.parse(readFileSync(join(FOUND, name), "utf8")) as FoundInput) }));
