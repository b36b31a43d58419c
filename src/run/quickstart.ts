import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../common/errors.js";
import {
  METHODS,
  type Method,
  methodNames,
  type quickstartOptions,
  resolveRun,
  type Settings,
} from "../config/index.js";
import { holdOutput, refuseOccupied } from "../folders/outputFolder.js";
import { REPORT } from "../folders/runFiles.js";
import { writeFileAtomic } from "../io/atomic.js";
import { QUICKSTART_MODEL } from "../io/quickstartModel.js";
import type { Metrics, RunEvent } from "../train/events.js";
import { type FinetuneOptions, finetune } from "./finetune.js";
import { writeReport } from "./writeReport.js";

/** What one method reached. */
export interface QuickstartRow {
  readonly method: string;
  readonly metrics: Metrics;
  readonly trainedParameters: number;
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

export interface QuickstartResult {
  readonly rows: readonly QuickstartRow[];
  readonly output: string;
}

const DATA = fileURLToPath(new URL("../../examples/data/sms_spam/", import.meta.url));

/** Training steps of each method; BiDoRA searches half as long before. */
const STEPS = 120;

type QuickstartSettings = Settings<typeof quickstartOptions>;
type QuickstartHooks = FinetuneOptions & { readonly note?: (line: string) => void };

/**
 * Fine-tunes the quickstart's encoder on real text messages with each method, and compares them.
 * @throws UsageError for a method that is unknown or named twice, BidoraError `OUTPUT_IN_USE` for a folder with something in it,
 *   unless `overwrite` gives away the runs there
 */
export async function quickstart(
  settings: QuickstartSettings,
  options: QuickstartHooks = {},
): Promise<QuickstartResult> {
  const methods = knownMethods(settings.methods);
  return holdOutput(settings.output, () => {
    refuseOccupied(settings.output, settings.overwrite, []);
    return compareMethods(methods, settings, options);
  });
}

async function compareMethods(
  methods: readonly Method[],
  settings: QuickstartSettings,
  options: QuickstartHooks,
): Promise<QuickstartResult> {
  const rows: QuickstartRow[] = [];
  for (const method of methods) {
    options.note?.(
      `\n${method}: fine-tuning ${QUICKSTART_MODEL} to tell spam from ham, 400 text messages to learn from`,
    );
    rows.push(await runMethod(method, settings, options));
    if (options.signal?.aborted) break;
  }
  if (!options.signal?.aborted) await writeComparison(settings.output, rows);
  return { rows, output: settings.output };
}

/** Known before the first one trains. */
function knownMethods(names: readonly string[]): readonly Method[] {
  const unknown = names.find((name) => !(methodNames as readonly string[]).includes(name));
  if (unknown !== undefined) throw new UsageError(`--methods takes ${methodNames.join(", ")}; got ${unknown}.`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`--methods names ${twice} twice: name each method once.`);
  return names as readonly Method[];
}

async function runMethod(
  method: Method,
  { seed, threads, output, overwrite }: QuickstartSettings,
  options: FinetuneOptions,
): Promise<QuickstartRow> {
  const length = METHODS[method].isBilevel ? { maxSteps: STEPS / 2, retrainSteps: STEPS } : { maxSteps: STEPS };
  const config = resolveRun({
    model: QUICKSTART_MODEL,
    task: "sequence-classification",
    train: join(DATA, "train.tsv"),
    validation: join(DATA, "test.tsv"),
    method,
    ...length,
    batchSize: 16,
    learningRate: 2e-3,
    evalEvery: STEPS / 4,
    seed,
    ...(threads !== undefined && { threads }),
    output: join(output, method),
    overwrite,
  });
  const seen: RunEvent[] = [];
  const { metrics } = await finetune(config, {
    ...options,
    observers: [...(options.observers ?? []), (event) => seen.push(event)],
  });
  const start = seen.find((event) => event.event === "start");
  const done = seen.find((event) => event.event === "done");
  return {
    method,
    metrics,
    trainedParameters: start?.parameters.trained ?? 0,
    seconds: done?.seconds ?? 0,
    peakMemoryBytes: done?.peakMemoryBytes ?? 0,
  };
}

/** One report with the curves of all methods, and the figures as JSON. */
async function writeComparison(output: string, rows: readonly QuickstartRow[]): Promise<void> {
  const runs = rows.map(({ method }) => join(output, method));
  await writeReport(join(output, REPORT), runs);
  writeFileAtomic(join(output, "comparison.json"), `${JSON.stringify(rows, undefined, 2)}\n`);
}
