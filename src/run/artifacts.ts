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
 * Writes what a run has trained, as it is now: an adapter, or, where all weights are trained, a model.
 * @param phase that it is in; undefined before the first step
 */
export async function writeTrained(folder: string, prepared: Prepared, phase: Phase | undefined): Promise<void> {
  const { config, adapted, loaded, choice, labels } = prepared;
  if (adapted.config === undefined) {
    const { task } = choice;
    writeModelFolder(folder, { ...loaded, task, labels, source: prepared.folder, dtype: "float32" });
    writeAdapterMetadata(folder, useOf(prepared));
    return;
  }
  writeAdapter(folder, {
    ...savedState({ ...adapted, config: adapted.config }),
    taskType: choice.task.peftTaskType,
    baseModel: config.model,
    revision: config.revision,
    adaptsTransposed: adaptsTransposed(adapted),
    metadata: {
      ...useOf(prepared),
      ...(phase && { phase }),
      ...(METHODS[config.method].isBilevel && { search: await searchSummary(config.output, config) }),
    },
  });
}

/** How the result is used. */
function useOf({ config, choice, labels, maxLength }: Prepared): AdapterMetadata {
  return {
    method: config.method,
    task: choice.kind,
    labels: [...labels],
    maxLength,
    ...(config.trainOn && { trainOn: config.trainOn }),
    ...(config.textColumns && { textColumns: [...config.textColumns] }),
    ...(config.labelColumn && { labelColumns: [...config.labelColumn] }),
  };
}

/** Writes what goes with the result: the tokenizer's files, and a model card. */
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
    machine: machineFacts(),
  });
  writeFileAtomic(join(folder, CARD), card);
}

export function parameterCounts({ loaded, adapted }: Pick<Prepared, "loaded" | "adapted">): ParameterCounts {
  const parameters = new Set([...loaded.model.namedParameters()].map(([, parameter]) => parameter));
  const total = [...parameters].reduce((sum, { shape }) => sum + numelOf(shape), 0);
  return { total, trained: adapted.trained.reduce((sum, { tensor }) => sum + tensor.numel, 0) };
}

/** Into so many parts a search is summed up. */
const PARTS = 10;

/** What a BiDoRA adapter keeps of its search, from the run's log so far: a resumed run knows what came before. */
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

/** The mean of each tenth; of fewer values each by itself. */
function meansOfParts(values: readonly number[]): number[] {
  const parts = Math.min(PARTS, values.length);
  return Array.from({ length: parts }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
