import type { QuickstartResult, TOPICS, TopicName } from "../commands/quickstart.js";
import { UsageError } from "../common/errors.js";
import { quickstartOptions } from "../config/index.js";
import type { ComparedRun } from "../files/comparison.js";
import { comparedRunFolder } from "../files/comparisonFolder.js";
import type { RunEvent } from "../files/events.js";
import { REPORT } from "../files/names.js";
import { HINTED_COMMAND } from "../torch/installation.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { observersFor } from "./observers.js";
import { formatTable } from "./output.js";

export const quickstart = defineCommand({
  usage: "quickstart [messages|chat] [flags]",
  about:
    "Fetches a small model, trains it with each method and compares them: an encoder on text messages, or a chat model.",
  options: quickstartOptions,
  positionals: 1,
  interruptible: true,
  leavesFiles: true,
  run: async ({ settings, positionals: [topic = "messages"], output, signal }) => {
    const { quickstart: compare, TOPICS } = await import("../commands/quickstart.js");
    if (!isTopic(topic, TOPICS))
      throw new UsageError(`There is no quickstart ${topic}; known are ${Object.keys(TOPICS).join(", ")}.`);
    const hub = { signal, ...downloadHooks(output) };
    const observers = observersFor(output);
    const onEvent = (event: RunEvent) => {
      for (const observe of observers) observe(event);
    };
    const result = await compare(topic, settings, { signal, onEvent, note: output.note, hub });
    if (result) output.result(result, `${renderComparison(result)}${TRY[topic](result)}`);
  },
});

function isTopic(word: string, topics: typeof TOPICS): word is TopicName {
  return Object.hasOwn(topics, word);
}

/** What to do next. */
const TRY: Readonly<Record<TopicName, (result: QuickstartResult) => string>> = {
  messages: (result) => `
Try one of them on your own messages (one JSON object a line, with "text"):
  echo '{"text":"You have won a prize, call now!"}' > rows.jsonl
  ${HINTED_COMMAND} predict --adapter ${bestOf(result)} --input rows.jsonl --output predictions.jsonl

Train on your own data (JSONL, CSV, TSV or Parquet with a text and a label column):
  ${HINTED_COMMAND} finetune --model ${result.model} --task sequence-classification \\
    --train train.csv --validation validation.csv --output runs/mine
`,
  chat: (result) => `
Talk to one of them:
  ${HINTED_COMMAND} generate --adapter ${bestOf(result)} --chat

Train on your own conversations (JSONL with "messages", or "prompt" and "completion"):
  ${HINTED_COMMAND} finetune --model ${result.model} \\
    --task causal-lm --train chat.jsonl --validation chat-valid.jsonl --output runs/mine
`,
};

const bestOf = ({ runs, output }: QuickstartResult): string => comparedRunFolder(output, runs.at(-1) as ComparedRun);

function renderComparison({ runs, output }: QuickstartResult): string {
  const metrics = Object.keys(runs[0]?.metrics ?? {});
  const table = formatTable(
    ["method", ...metrics, "trained", "seconds", "peak MiB"],
    runs.map((run) => [
      run.method,
      ...metrics.map((name) => run.metrics[name] ?? 0),
      run.trainedParameters,
      Math.round(run.seconds),
      Math.round(run.peakMemoryBytes / 2 ** 20),
    ]),
  );
  return `
${table}

Report with all curves:  ${output}/${REPORT}
Adapters for PEFT:       ${runs.map((run) => comparedRunFolder(output, run)).join("\n                         ")}
`;
}
