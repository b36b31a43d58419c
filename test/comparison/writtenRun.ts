import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a made-up run left in its folder. */
interface WrittenRun {
  readonly settings?: object;
  /** Further fields of its `start` event. */
  readonly start?: object;
  /** Undefined for a run that did not end. */
  readonly metrics?: object | undefined;
  /** Of the validation rows, for regression: the number and its prediction. */
  readonly rows?: readonly (readonly [reference: number, value: number])[];
  readonly seconds?: number;
}

/** Writes the folder of a run of sequence classification as finetune leaves it, as far as a comparison reads it. */
export function writtenRun(folder: string, { settings = {}, start = {}, seconds = 3, ...run }: WrittenRun = {}): void {
  mkdirSync(folder, { recursive: true });
  const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const all = { task: "sequence-classification", model: "m", seed: 0, dtype: "float32", baseDtype: null, ...settings };
  const begins = {
    ...{
      event: "start",
      time: new Date(1e12).toISOString(),
      machine: {},
      settings: all,
      rows: { train: 8, validation: 2 },
    },
    versions: { bidora: "1.0.0", libtorch: "2.6.0" },
    ...{ parameters: { trained: 5, total: 9 }, processes: 1, rowsPerStep: 8 },
    ...start,
  };
  const done = {
    event: "done",
    time: new Date(1e12 + 1e3 * seconds).toISOString(),
    metrics: {},
    seconds,
    peakMemoryBytes: 7,
  };
  put(".bidora-run", "");
  put(
    "run.yaml",
    Object.entries(all)
      .flatMap(([key, value]) => (value === null ? [] : `${key}: ${JSON.stringify(value)}\n`))
      .join(""),
  );
  put("events.jsonl", [begins, ...(run.metrics ? [done] : [])].map((event) => `${JSON.stringify(event)}\n`).join(""));
  if (run.metrics) put("metrics.json", JSON.stringify(run.metrics));
  if (run.rows) put("validation-predictions.jsonl", run.rows.map((row, i) => lineOf(row, i)).join(""));
}

const lineOf = ([reference, value]: readonly [number, number], i: number): string =>
  `${JSON.stringify({ file: "v.jsonl", line: i + 1, text: `text ${i}`, reference, prediction: { value } })}\n`;
