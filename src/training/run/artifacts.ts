import { join } from "node:path";
import {
  CARD,
  copyFiles,
  type Metrics,
  type ParameterCounts,
  type Phase,
  writeFileAtomic,
} from "../../base/records/index.js";
import {
  type AdapterMetadata,
  adaptsTransposed,
  savedState,
  whyNotPeft,
  writeAdapter,
  writeAdapterMetadata,
} from "../../models/adapters/index.js";
import { writeModelFolder } from "../../models/index.js";
import { isPacked } from "../../models/nn/index.js";
import { numelOf } from "../../torch/index.js";
import { machineFacts, versions } from "../loop/machine.js";
import { renderModelCard } from "./modelCard.js";
import type { Prepared } from "./prepare.js";

/** What an adapter's file says of its training so far. */
interface TrainingFacts {
  /** The current phase; undefined before the first step. */
  readonly phase: Phase | undefined;
  /** The summary of the search of a bilevel method. */
  readonly search: AdapterMetadata["search"];
}

/** Writes the current state of what a run trains: an adapter, or a model if all weights are trained. */
export function writeTrained(folder: string, prepared: Prepared, { phase, search }: TrainingFacts): void {
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
      ...(search && { search }),
    },
  });
}

/** The facts that inference needs. */
function metadataOf({ config, choice, labels, maxLength, adapted, baseFormats }: Prepared): AdapterMetadata {
  return {
    method: config.method,
    task: choice.kind,
    labels: [...labels],
    maxLength,
    ...(isPacked(config.baseDtype) && { baseDtype: config.baseDtype }),
    ...(adapted.config && { baseFormats }),
    ...(config.initLoraWeights !== "zero" && { initLoraWeights: config.initLoraWeights }),
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
