import { join } from "node:path";
import { CHAT_TEMPLATE, formatCount, printable, stopsByValidation, yaml } from "../../base/index.js";
import {
  CARD,
  copyFiles,
  type MachineFacts,
  type Metrics,
  ofClass,
  type ParameterCounts,
  type Phase,
  type RowCounts,
  type Versions,
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
import { METHODS, type RunConfig, upperOf } from "../../tasks/config/index.js";
import { numelOf } from "../../torch/index.js";
import type { Prepared } from "./prepare.js";
import { machineFacts, versions } from "./provenance.js";
import { constantPredictor } from "./runEvaluation.js";

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
function metadataOf(prepared: Prepared): AdapterMetadata {
  const { config, choice, labels, positive, maxLength, adapted, levels, baseFormats } = prepared;
  const { answer: majority } = constantPredictor(prepared) ?? {};
  return {
    method: config.method,
    task: choice.kind,
    labels: [...labels],
    ...(positive !== undefined && { positiveLabel: labels[positive]! }),
    maxLength,
    ...(isPacked(config.baseDtype) && { baseDtype: config.baseDtype }),
    ...(adapted.config && { baseFormats }),
    ...(config.initLoraWeights === "loftq" && { initLoraWeights: config.initLoraWeights }),
    ...(config.trainOn && { trainOn: config.trainOn }),
    ...(config.chatTemplate !== undefined && { chatTemplate: true }),
    ...(levels && { upper: { group: levels.group, ...(levels.values && { values: levels.values() }) } }),
    ...(choice.task.embedding && { pooling: choice.task.embedding.pooling }),
    ...(choice.task.contrastive?.isScored !== undefined && { isScored: choice.task.contrastive.isScored }),
    ...(choice.task.lossSettings && { loss: choice.task.lossSettings }),
    ...(majority !== undefined && { majority }),
    ...(config.textColumns && { textColumns: [...config.textColumns] }),
    ...(config.labelColumn && { labelColumns: [...config.labelColumn] }),
  };
}

/**
 * Writes the tokenizer's files and the model card beside the result.
 * @param hasBest whether early stopping kept a state
 */
export function writeTokenizerAndCard(folder: string, prepared: Prepared, metrics: Metrics, hasBest: boolean): void {
  const { config, adapted, labels, positive, choice, rows, tokenizer } = prepared;
  copyFiles(tokenizer.files(), prepared.folder, folder);
  if (config.chatTemplate !== undefined) writeFileAtomic(join(folder, CHAT_TEMPLATE), tokenizer.chatTemplateText ?? "");
  const card = renderModelCard({
    config,
    isForPeft: adapted.config !== undefined && whyNotPeft(adapted.config) === undefined,
    labels: choice.task.outputs ? [] : labels,
    positiveLabel: labels[positive ?? -1],
    rows,
    parameters: parameterCounts(prepared),
    metrics,
    hasBest,
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

interface CardFacts {
  readonly config: RunConfig;
  /** Whether PEFT can load the result. */
  readonly isForPeft: boolean;
  readonly labels: readonly string[];
  readonly positiveLabel: string | undefined;
  readonly rows: RowCounts;
  readonly parameters: { readonly total: number; readonly trained: number };
  readonly metrics: Metrics;
  /** Whether early stopping kept a state. */
  readonly hasBest: boolean;
  readonly versions: Versions;
  readonly machine: MachineFacts;
}

/** The model card: a Hub README with front matter, data, settings and results. */
export function renderModelCard(facts: CardFacts): string {
  const { config, rows, parameters, machine, versions } = facts;
  const front = yaml().stringify({
    base_model: config.model,
    ...(facts.isForPeft && { library_name: "peft" }),
    tags: [...new Set(["bidora", config.method])],
  });
  return printable(`---
${front}---

# ${config.model}, fine-tuned with ${config.method}

## Data

Task \`${config.task}\`: ${rowsText(rows)}.
${facts.labels.length ? `Labels in the order of the outputs: ${facts.labels.map((label) => `\`${label}\``).join(", ")}.\n` : ""}
## Results

${table(
  ["metric", "value"],
  Object.entries(facts.metrics).map(([name, value]) => [
    `${name}${ofClass(name, facts.positiveLabel)}`,
    value.toPrecision(5),
  ]),
)}

${chosenBy(facts)}Trained ${formatCount(parameters.trained)} of ${formatCount(parameters.total)} parameters on ${machine.processor}, ${machine.threads} threads,
with bidora ${versions.bidora} and libtorch ${versions.libtorch}. Every setting is in \`run.yaml\`, every step in \`events.jsonl\`.
${searchOf(config)}${METHODS[config.method].adapter === undefined ? "" : usage(config)}`);
}

/** Scores on rows that were used for selection are biased. */
const chosenBy = ({ config, hasBest }: CardFacts): string =>
  hasBest && stopsByValidation(config)
    ? "Early stopping kept the state that was best on the validation rows: their metrics were used for selection, and are too optimistic for new rows.\n\n"
    : "";

function rowsText({ train, upper, validation }: RowCounts): string {
  const counts = { "training rows": train, "rows of the upper level": upper, "validation rows": validation };
  const known = Object.entries(counts).filter(([, count]) => count !== undefined);
  return known.map(([what, count]) => `${count} ${what}`).join(", ");
}

/** Sentences on the upper level, and on the search's unusual settings. */
function searchOf({ method, upper, searchFolds, searchPatience, warmStart }: RunConfig): string {
  if (upperOf({ method, upper }) === undefined) return "";
  const sentences = [
    upper && `A search trained \`${upper}\` in an upper level (\`--upper ${upper}\`), on rows of its own.`,
    searchFolds &&
      `In the search, each of ${searchFolds} folds of the rows was the upper level's for its share of the steps.`,
    searchPatience &&
      `The search was set to end after ${searchPatience} passes over the upper level's rows without a lower loss; its best state was kept.`,
    warmStart && "The retrain phase started from what the lower level of the search ended with.",
  ];
  return sentences.flatMap((sentence) => (sentence ? [`${sentence}\n`] : [])).join("");
}

function usage({ model, baseDtype, initLoraWeights }: RunConfig): string {
  const format = isPacked(baseDtype) ? ` --base-dtype ${baseDtype}` : "";
  const only =
    initLoraWeights === "loftq"
      ? `\nThe base model has to be packed as ${baseDtype}, in every program: LoftQ started the adapter from what packing took from the weights.\n`
      : "";
  return `
## Use

\`\`\`sh
bidora predict --model ${model}${format} --adapter . --input rows.jsonl --output predictions.jsonl
\`\`\`
${only}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}
