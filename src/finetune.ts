import { existsSync } from "node:fs";
import { isForPeft } from "./adapters/index.js";
import type { RunConfig } from "./config.js";
import type { HubOptions } from "./io/hub/snapshot.js";
import { prepare } from "./prepare.js";
import { ProvenanceSource } from "./provenance.js";
import { checkpointToResume } from "./resumeRun.js";
import { inspectOutput, readMetrics } from "./runFolder.js";
import type { Metrics, RunEvent } from "./train/events.js";
import { isTooCoarse } from "./train/hypergradients/index.js";
import { TrainingRun } from "./trainingRun.js";

export interface FinetuneOptions {
  readonly signal?: AbortSignal;
  /** Told every event of the run. */
  readonly observers?: readonly ((event: RunEvent) => void)[];
  /** Notes for people, and the progress of downloads. */
  readonly hub?: HubOptions;
}

export interface FinetuneResult {
  readonly metrics: Metrics;
  /** The folder with the adapter and everything else. */
  readonly output: string;
}

/**
 * Fine-tunes a model as the settings say, and leaves the result in `config.output`.
 * @throws BidoraError with one sentence for what is wrong; nothing is written before everything is found good
 */
export async function finetune(config: RunConfig, options: FinetuneOptions = {}): Promise<FinetuneResult> {
  const state = inspectOutput(config.output, config, inputsOf(config));
  if (state === "finished") {
    options.hub?.onNote?.(`The run in ${config.output} has ended already.`);
    return { metrics: readMetrics(config.output), output: config.output };
  }
  const isFresh = state === "fresh";
  if (isFresh && config.resume)
    options.hub?.onNote?.(`There is no whole checkpoint in ${config.output}: starting afresh.`);
  const prepared = await prepare(config, options.hub);
  const { config: adapter } = prepared.adapted;
  if (adapter.method !== "full" && !isForPeft(adapter))
    options.hub?.onNote?.("PEFT has no magnitudes along in: `bidora merge` makes a plain model of the result.");
  const { method, hypergradient, dtype } = prepared.config;
  if (method === "bidora" && isTooCoarse(hypergradient, dtype))
    options.hub?.onNote?.(
      `--hypergradient ${hypergradient} loses accuracy in ${dtype}: take exact, or --dtype float32; \`bidora verify-hypergradient\` measures it.`,
    );
  const provenance = new ProvenanceSource(prepared);
  const from = isFresh ? undefined : await checkpointToResume(prepared, provenance, options.hub?.onNote);
  const run = new TrainingRun(prepared, { ...options, isFresh, from, provenance });
  return { metrics: await run.go(), output: config.output };
}

/** What the run reads from the disk, where it is a path. */
function inputsOf({ model, adapter, data, train, validation, test }: RunConfig): string[] {
  return [model, adapter, data, train, validation, test].filter(
    (path) => path !== undefined && existsSync(path),
  ) as string[];
}
