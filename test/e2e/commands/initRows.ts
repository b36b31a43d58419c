// Rows for `bidora init`, and what it makes of them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { parse } from "yaml";
import { BERT, bidora, fresh, write } from "../support.js";

export const MODEL = join(BERT, "single");
export const csv = (header: string, row: (i: number) => string, rows = 60) =>
  [header, ...Array.from({ length: rows }, (_, i) => row(i))].join("\n").concat("\n");
export const jsonl = (row: (i: number) => unknown, rows = 60) =>
  Array.from({ length: rows }, (_, i) => `${JSON.stringify(row(i))}\n`).join("");
export const sentence = (i: number): string => `the boat left the harbour at ${i} in the rain`;
export const TWO = (i: number): string => `${sentence(i)},${i % 2 ? "good" : "bad"}`;

/** Writes a run file for these rows, without an estimate. */
export async function init(name: string, content: string | Uint8Array, ...flags: string[]) {
  return initFor(write(name, content), ...flags);
}

export async function initFor(train: string, ...flags: string[]) {
  const runFile = join(fresh("new"), "run.yaml");
  const done = await bidora("init", train, "--run-file", runFile, "--no-estimate", ...flags);
  const isThere = existsSync(runFile);
  expect(isThere).toBe(done.status === 0);
  const text = isThere ? readFileSync(runFile, "utf8") : "";
  return { ...done, train, runFile, text, settings: (parse(text) ?? {}) as Record<string, unknown> };
}

/** The settings that are guessed. */
export async function guessed(name: string, content: string | Uint8Array, ...flags: string[]) {
  const { settings, stderr, status } = await init(name, content, ...flags);
  expect(status, stderr).toBe(0);
  const { task, loss, textColumns, labelColumn } = settings;
  return {
    task,
    ...(loss ? { loss } : {}),
    ...(textColumns ? { textColumns } : {}),
    ...(labelColumn ? { labelColumn } : {}),
  };
}

/** The one sentence that refuses the rows. */
export async function refused(name: string, content: string | Uint8Array, ...flags: string[]): Promise<string> {
  const { status, stderr, train } = await init(name, content, ...flags);
  expect(status).not.toBe(0);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  return stderr.replaceAll(train, "FILE").trimEnd();
}
