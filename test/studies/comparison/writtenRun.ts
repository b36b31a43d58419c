import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a made-up run left in its folder. */
interface WrittenRun {
  readonly settings?: object;
  /** Further fields of its `start` event, and of that of an earlier session. */
  readonly start?: object;
  readonly before?: object;
  /** The numbers of its steps, and of those of the earlier session. */
  readonly steps?: number;
  readonly stepsBefore?: number;
  /** Undefined for a run that did not end. */
  readonly metrics?: object | undefined;
  /** Of the validation rows, for regression: the number and its prediction. */
  readonly rows?: readonly (readonly [reference: number, value: number])[];
  readonly seconds?: number;
}

/** Writes the folder of a run of sequence classification as finetune leaves it, as far as a comparison reads it. */
export function writtenRun(folder: string, run: WrittenRun = {}): void {
  const { seconds = 3, metrics, rows = [], before } = run;
  mkdirSync(folder, { recursive: true });
  const put = (name: string, lines: readonly object[]) =>
    writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const settings = { ...SETTINGS, ...run.settings };
  const start = { ...START, settings, ...run.start };
  const done = { event: "done", time: timeAt(seconds), metrics: {}, seconds, peakMemoryBytes: 7 };
  put(".bidora-run", []);
  put("run.yaml", [Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null))]);
  const earlier = before ? [{ ...start, ...before }, ...stepsOf(run.stepsBefore)] : [];
  put("events.jsonl", [...earlier, start, ...stepsOf(run.steps), ...(metrics ? [done] : [])]);
  if (metrics) put("metrics.json", [metrics]);
  if (rows.length > 0) put("validation-predictions.jsonl", rows.map(rowOf));
}

const stepsOf = (count = 0): object[] =>
  Array.from({ length: count }, () => ({ event: "step", time: timeAt(1), rows: 8 }));

const timeAt = (seconds: number): string => new Date(1e12 + 1e3 * seconds).toISOString();

const SETTINGS = { task: "sequence-classification", model: "m", seed: 0, dtype: "float32", baseDtype: null };

const START = {
  ...{ event: "start", time: timeAt(0), machine: {}, rows: { train: 8, validation: 2 } },
  ...{ versions: { bidora: "1.0.0", libtorch: "2.6.0" }, parameters: { trained: 5, total: 9 } },
  ...{ processes: 1, rowsPerStep: 8 },
};

const rowOf = ([reference, value]: readonly [number, number], i: number) => ({
  ...{ file: "v.jsonl", line: i + 1, text: `text ${i}`, reference, prediction: { value } },
});
