// The project that uses bidora: programs, data and tiny models.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { GOLDEN, SOURCES } from "./places.js";
import type { User } from "./session.js";

export function writeProject(user: User): void {
  const programs = join(SOURCES, "app");
  for (const name of readdirSync(programs)) user.copy(join(programs, name), name);
  user.copy(join(GOLDEN, "bert", "single"), "models/encoder");
  user.copy(join(GOLDEN, "llama", "lm"), "models/decoder");
  user.copy(join(GOLDEN, "rows", "train.jsonl"), "rows.jsonl");
  user.write("package.json", '{ "name": "project", "private": true, "type": "module" }\n');
}

export interface Printed {
  readonly metrics: Readonly<Record<string, number>>;
  readonly label: string;
  readonly text: string;
}

/** What a program printed. @throws Error unless it learned its rows and generated text */
export function printed(stdout: string): Printed {
  const result = JSON.parse(stdout.trim().split("\n").at(-1)!) as Printed;
  if (!(result.metrics.accuracy! > 0.8 && result.label === "beta" && result.text.split(" ").length > 2))
    throw new Error(`the program printed ${JSON.stringify(result)}`);
  return result;
}
