// Folders of finished runs without weights: what the studio's pages read of them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a test says about a run; the rest is that of a small classifier. */
interface RunParts {
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Lines of run.yaml. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly predictions?: readonly object[];
  readonly isAdapter?: boolean;
}

export const CLASSIFIER = {
  ...{ formatVersion: 1, method: "lora", task: "sequence-classification", labels: ["ham", "spam"] },
  ...{ textColumns: ["text"], labelColumns: ["label"] },
};

/** Writes a finished run into a studio's folder. */
export function writeRun(folder: string, name: string, parts: RunParts = {}): void {
  const path = join(folder, "runs", name);
  mkdirSync(path, { recursive: true });
  const settings = { model: "BASE", train: "rows/train.jsonl", validation: "rows/valid.jsonl", ...parts.settings };
  const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const write = (file: string, text: string) => writeFileSync(join(path, file), text);
  write(".bidora-run", "a run\n");
  write("bidora.json", JSON.stringify({ ...CLASSIFIER, ...parts.metadata }));
  write(
    "run.yaml",
    lines([]) +
      Object.entries(settings)
        .map(([key, value]) => `${key}: ${value}\n`)
        .join(""),
  );
  if (parts.isAdapter ?? true) write("adapter_config.json", "{}");
  if (parts.predictions) write("validation-predictions.jsonl", lines(parts.predictions));
  write("metrics.json", '{"accuracy": 0.9}');
}

/** A prediction of a classifier. @param loss of the row */
export const predicted = (line: number, reference: number, label: string, loss: number) => ({
  ...{ file: "rows/valid.jsonl", line, text: `text ${line}`, reference },
  ...{ prediction: { label, score: 0.9 }, loss },
});
