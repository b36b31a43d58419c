import { printable, stopsByValidation, yaml } from "../../base/index.js";
import type { MachineFacts, Metrics, Versions } from "../../base/records/index.js";
import { isPacked } from "../../models/nn/index.js";
import { METHODS, type RunConfig } from "../../tasks/config/index.js";

interface CardFacts {
  readonly config: RunConfig;
  /** Whether PEFT can load the result. */
  readonly isForPeft: boolean;
  readonly labels: readonly string[];
  readonly rows: { readonly train: number; readonly validation?: number | undefined };
  readonly parameters: { readonly total: number; readonly trained: number };
  readonly metrics: Metrics;
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

Task \`${config.task}\`: ${rows.train} training rows${rows.validation === undefined ? "" : `, ${rows.validation} validation rows`}.
${facts.labels.length ? `Labels in the order of the outputs: ${facts.labels.map((label) => `\`${label}\``).join(", ")}.\n` : ""}
## Results

${table(
  ["metric", "value"],
  Object.entries(facts.metrics).map(([name, value]) => [name, value.toPrecision(5)]),
)}

${chosenBy(config)}Trained ${parameters.trained.toLocaleString("en")} of ${parameters.total.toLocaleString("en")} parameters on ${machine.processor}, ${machine.threads} threads,
with bidora ${versions.bidora} and libtorch ${versions.libtorch}. Every setting is in \`run.yaml\`, every step in \`events.jsonl\`.
${searchOf(config)}${METHODS[config.method].adapter === undefined ? "" : usage(config)}`);
}

/** Scores on rows that were used for selection are biased. */
const chosenBy = (config: RunConfig): string =>
  stopsByValidation(config)
    ? "Early stopping kept the state that was best on the validation rows: their metrics were used for selection, and are too optimistic for new rows.\n\n"
    : "";

/** Sentences on the search's unusual settings. */
function searchOf({ method, searchFolds, searchPatience, warmStart }: RunConfig): string {
  if (!METHODS[method].isBilevel) return "";
  const sentences = [
    searchFolds &&
      `In the search, each of ${searchFolds} folds of the rows was the upper level's for its share of the steps.`,
    searchPatience &&
      `The search was set to end after ${searchPatience} passes over the upper level's rows without a lower loss; its best state was kept.`,
    warmStart && "The retrain phase started from the directions and the head that the search ended with.",
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
