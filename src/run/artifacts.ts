import { join } from "node:path";
import {
  type AdapterMetadata,
  adaptsTransposed,
  savedState,
  whyNotPeft,
  writeAdapter,
  writeAdapterMetadata,
} from "../adapters/index.js";
import { METHODS, type RunConfig } from "../config/index.js";
import { writeFileAtomic } from "../files/atomic.js";
import type { ParameterCounts, Phase } from "../files/events.js";
import type { Metrics } from "../files/metrics.js";
import { CARD } from "../files/names.js";
import { copyFiles } from "../files/runFolder.js";
import { readRunLog } from "../files/runLog.js";
import { writeModelFolder } from "../models/modelFolder.js";
import { numelOf } from "../torch/index.js";
import { machineFacts, versions } from "../train/machine.js";
import { renderModelCard } from "./modelCard.js";
import type { Prepared } from "./prepare.js";

/**
 * Writes the current state of what a run trains: an adapter, or a model if all weights are trained.
 * @param phase the current phase; undefined before the first step
 */
export async function writeTrained(folder: string, prepared: Prepared, phase: Phase | undefined): Promise<void> {
  const { config, adapted, loaded, choice, labels } = prepared;
  if (adapted.config === undefined) {
    const { task } = choice;
    const { maxLength, folder: source } = prepared;
    writeModelFolder(folder, { ...loaded, task, labels, maxLength, source, dtype: "float32" });
    writeAdapterMetadata(folder, metadataOf(prepared));
    return;
  }
  writeAdapter(folder, {
    ...savedState({ ...adapted, config: adapted.config }),
    taskType: choice.task.peftTaskType,
    baseModel: config.model,
    revision: config.revision,
    adaptsTransposed: adaptsTransposed(adapted),
    metadata: {
      ...metadataOf(prepared),
      ...(phase && { phase }),
      ...(METHODS[config.method].isBilevel && { search: await searchSummary(config.output, config) }),
    },
  });
}

/** The facts that inference needs. */
function metadataOf({ config, choice, labels, maxLength }: Prepared): AdapterMetadata {
  return {
    method: config.method,
    task: choice.kind,
    labels: [...labels],
    maxLength,
    ...(config.trainOn && { trainOn: config.trainOn }),
    ...(choice.task.embedding && { pooling: choice.task.embedding.pooling }),
    ...(choice.task.isScored !== undefined && { isScored: choice.task.isScored }),
    ...(config.textColumns && { textColumns: [...config.textColumns] }),
    ...(config.labelColumn && { labelColumns: [...config.labelColumn] }),
  };
}

/** Writes the tokenizer's files and the model card beside the result. */
export function writeTokenizerAndCard(folder: string, prepared: Prepared, metrics: Metrics): void {
  const { config, adapted, labels, choice, rows, tokenizer } = prepared;
  copyFiles(tokenizer.files(), prepared.folder, folder);
  const card = renderModelCard({
    config,
    isForPeft: adapted.config !== undefined && whyNotPeft(adapted.config) === undefined,
    labels: choice.task.outputs ? [] : labels,
    rows,
    parameters: parameterCounts(prepared),
    metrics,
    versions: versions(),
    machine: machineFacts(adapted.model.device),
  });
  writeFileAtomic(join(folder, CARD), card);
}

export function parameterCounts({ loaded, adapted }: Pick<Prepared, "loaded" | "adapted">): ParameterCounts {
  const parameters = new Set([...loaded.model.namedParameters()].map(([, parameter]) => parameter));
  const total = [...parameters].reduce((sum, { shape }) => sum + numelOf(shape), 0);
  return { total, trained: adapted.trained.reduce((sum, { tensor }) => sum + tensor.numel, 0) };
}

/** The number of parts in the summary of a search. */
const PARTS = 10;

/** The summary of a search for a BiDoRA adapter, from the run's log, which includes the sessions before a resume. */
export async function searchSummary(
  folder: string,
  { hypergradient, xi }: Pick<RunConfig, "hypergradient" | "xi">,
): Promise<NonNullable<AdapterMetadata["search"]>> {
  const { events } = await readRunLog(folder);
  const taken = events.flatMap((event) => (event.event === "step" && event.phase === "search" ? [event] : []));
  return {
    steps: taken.length,
    retrainSteps: events.filter((event) => event.event === "step" && event.phase === "retrain").length,
    hypergradient,
    xi,
    loss: meansOfParts(taken.map(({ loss }) => loss)),
    upperLoss: meansOfParts(taken.flatMap(({ upperLoss }) => upperLoss ?? [])),
  };
}

/** The mean of each tenth of the values, or the values themselves if there are fewer than ten. */
function meansOfParts(values: readonly number[]): number[] {
  const parts = Math.min(PARTS, values.length);
  return Array.from({ length: parts }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
