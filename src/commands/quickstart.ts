import { join } from "node:path";
import { firstRepeated } from "../common/collections.js";
import { UsageError } from "../common/errors.js";
import {
  METHODS,
  type Method,
  methodNames,
  type quickstartOptions,
  resolveRun,
  type Settings,
} from "../config/index.js";
import { writeFileAtomic } from "../files/atomic.js";
import type { RunEvent } from "../files/events.js";
import type { Metrics } from "../files/metrics.js";
import { REPORT } from "../files/names.js";
import { holdOutput, refuseOccupied } from "../files/outputFolder.js";
import { writeReport } from "../run/writeReport.js";
import { type FinetuneOptions, finetune } from "./finetune.js";
import { type QuickstartTopic, TOPICS, type TopicName } from "./quickstartTopics.js";

export { TOPICS, type TopicName } from "./quickstartTopics.js";

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
  /** What the runs were given as their model. */
  readonly model: string;
}

type QuickstartSettings = Settings<typeof quickstartOptions>;

/** What a call can say beside the settings: what each of its runs is told, and a line for people before each. */
interface QuickstartHooks extends Pick<FinetuneOptions, "signal" | "observers" | "hub"> {
  readonly note?: (line: string) => void;
}

/** What the methods are compared on. */
interface Comparison {
  readonly topic: QuickstartTopic;
  readonly model: string;
  readonly output: string;
  readonly settings: QuickstartSettings;
}

/**
 * Fine-tunes a small model on the topic's bundled rows with each method, and compares them.
 * @throws UsageError for a method that is unknown or named twice, BidoraError `OUTPUT_IN_USE` for a folder with something in it,
 *   unless `overwrite` gives away the runs there
 */
export async function quickstart(
  name: TopicName,
  settings: QuickstartSettings,
  options: QuickstartHooks = {},
): Promise<QuickstartResult> {
  const methods = knownMethods(settings.methods);
  const topic = TOPICS[name];
  const output = settings.output ?? topic.output;
  return holdOutput(output, async () => {
    refuseOccupied(output, settings.overwrite, []);
    const model = await topic.model(options.hub);
    return compareMethods(methods, { topic, model, output, settings }, options);
  });
}

async function compareMethods(
  methods: readonly Method[],
  comparison: Comparison,
  { note, ...told }: QuickstartHooks,
): Promise<QuickstartResult> {
  const { topic, output, model } = comparison;
  const rows: QuickstartRow[] = [];
  for (const method of methods) {
    note?.(`\n${method}: ${topic.about}`);
    rows.push(await runMethod(method, comparison, told));
    if (told.signal?.aborted) break;
  }
  if (!told.signal?.aborted) await writeComparison(output, rows);
  return { rows, output, model };
}

/** Known before the first one trains. */
function knownMethods(names: readonly string[]): readonly Method[] {
  const unknown = names.find((name) => !(methodNames as readonly string[]).includes(name));
  if (unknown !== undefined) throw new UsageError(`--methods takes ${methodNames.join(", ")}; got ${unknown}.`);
  const twice = firstRepeated(names);
  if (twice !== undefined) throw new UsageError(`--methods names ${twice} twice: name each method once.`);
  return names as readonly Method[];
}

async function runMethod(
  method: Method,
  { topic: { steps, run }, model, output, settings: { seed, threads, overwrite } }: Comparison,
  told: FinetuneOptions,
): Promise<QuickstartRow> {
  const length = METHODS[method].isBilevel ? { maxSteps: steps / 2, retrainSteps: steps } : { maxSteps: steps };
  const config = resolveRun({
    ...run,
    model,
    method,
    ...length,
    evalEvery: steps / 4,
    seed,
    ...(threads !== undefined && { threads }),
    output: join(output, method),
    overwrite,
  });
  const seen: RunEvent[] = [];
  const { metrics } = await finetune(config, {
    ...told,
    observers: [...(told.observers ?? []), (event) => seen.push(event)],
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
