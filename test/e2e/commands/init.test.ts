import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { BERT, bidora, fresh, write } from "../support.js";

const MODEL = join(BERT, "single");
const csv = (header: string, row: (i: number) => string, rows = 60) =>
  [header, ...Array.from({ length: rows }, (_, i) => row(i))].join("\n").concat("\n");
const sentence = (i: number): string => `the boat left the harbour at ${i} in the rain`;

/** Writes a run file for these rows. */
async function init(name: string, content: string | Uint8Array, ...flags: string[]) {
  const train = write(name, content);
  const runFile = join(fresh("new"), "run.yaml");
  const done = await bidora("init", train, "--run-file", runFile, "--no-estimate", ...flags);
  return { ...done, train, runFile, ...(done.status === 0 ? read(runFile) : { text: "", settings: {} }) };
}

const read = (path: string) => {
  const text = readFileSync(path, "utf8");
  return { text, settings: parse(text) as Record<string, unknown> };
};

describe("init", () => {
  it("writes a file that finetune runs as it is", async () => {
    const { runFile, settings, train } = await init(
      "train.csv",
      csv("text,label", (i) => `${sentence(i)},${i % 2 ? "yes" : "no"}`),
      "--model",
      MODEL,
    );
    expect(settings).toEqual({
      model: MODEL,
      task: "sequence-classification",
      train,
      holdoutFraction: 0.1,
      textColumns: ["text"],
      labelColumn: ["label"],
      method: "bidora",
    });
    const output = fresh("run");
    const short = ["--max-steps", "2", "--retrain-steps", "2", "--batch-size", "4"];
    expect((await bidora("finetune", runFile, ...short, "--output", output)).status).toBe(0);
    for (const command of ["config", "preview"]) expect((await bidora(command, runFile)).status).toBe(0);
  });
});
