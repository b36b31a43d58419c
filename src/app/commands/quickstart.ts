/** `bidora quickstart`: compares methods on real data in a few minutes. A preset of `compare`. */
import { HINTED_COMMAND, INTERRUPTED, UsageError } from "../../base/index.js";
import {
  type ComparedRun,
  clearComparison,
  comparedRunFolder,
  holdOutput,
  REPORT,
  refuseOccupied,
} from "../../base/records/index.js";
import { checkSettings, type Given, names, option, pick, type Settings, text } from "../../base/settings/index.js";
import { hubOptionsOf } from "../../formats/hub/index.js";
import { type Variant, variantsOf } from "../../studies/comparison/index.js";
import { METHODS, overwrite, type RunSettings, runOptions, session } from "../../tasks/config/index.js";
import { type QuickstartTopic, TOPICS, type TopicName } from "../quickstart/topics.js";
import { type Context, call, defineCommand, formatTable, type Hooks, refuseAsRank } from "./command.js";
import { type CompareSettings, compareCommand } from "./compare.js";

const options = {
  topic: option(text("TOPIC"), {
    group: "Run",
    help: Object.keys(TOPICS).join(" or "),
    default: "messages",
    positional: true,
  }),
  methods: option(names("NAMES"), {
    group: "Run",
    help: "methods to compare",
    default: ["lora", "dora", "bidora"],
  }),
  output: option(text("DIR"), {
    group: "Run",
    help: "folder for the results",
    defaultText: "runs/quickstart, runs/quickstart-chat",
  }),
  overwrite: { ...overwrite.overwrite, group: "Run" },
  ...pick(runOptions, "seed", "device", "threads"),
  ...session,
};

/** A finished comparison. */
interface QuickstartResult {
  /** The results, in the order of the methods. */
  readonly runs: readonly ComparedRun[];
  readonly topic: TopicName;
  readonly output: string;
  /** The model that was trained: a name on the Hub, or a path. */
  readonly model: string;
}

export const quickstartCommand = defineCommand({
  usage: "quickstart [messages|chat] [flags]",
  about: "Fine-tunes a small model with each method and compares them: an encoder on text messages, or a chat model.",
  options,
  hooks: ["signal", "onNote", "onDownload", "hub", "observers"],
  leavesFiles: true,
  run: compareOnTopic,
  show: (result) =>
    result
      ? { value: result, text: `${renderComparison(result)}${TRY[result.topic](result)}` }
      : { status: INTERRUPTED },
});

/**
 * Fine-tunes a small model on bundled rows with each method, and compares them.
 * @returns undefined if the signal stopped it
 * @throws UsageError for a method that is unknown or named twice, BidoraError `OUTPUT_IN_USE` for a folder with something in it,
 *   unless `overwrite` allows to replace the runs there
 */
export const quickstart = (
  settings: Given<typeof options>,
  hooks: Pick<Hooks, "signal" | "onNote" | "onDownload" | "hub" | "observers"> = {},
): Promise<QuickstartResult | undefined> => call("quickstart", quickstartCommand, settings, hooks);

async function compareOnTopic(
  settings: Settings<typeof options>,
  context: Context,
): Promise<QuickstartResult | undefined> {
  refuseAsRank("quickstart");
  const topic = topicNamed(settings.topic);
  const variants = variantsOf(settings.methods);
  const { output = topic.output, overwrite } = settings;
  const model = await holdOutput(output, async (folder) => {
    refuseOccupied(output, overwrite, []);
    const model = await topic.model(hubOptionsOf(context));
    if (overwrite) clearComparison(folder);
    return model;
  });
  const preset = checkSettings(compareCommand.options, { ...presetOf(topic, variants, settings), model, output });
  const outcome = await compareCommand.run(preset, {
    ...context,
    onEvent(event, run) {
      if (event.event === "start") context.onNote?.(`\n${run.method}: ${topic.about}`);
      for (const observe of context.observers ?? []) observe(event);
    },
  });
  if (outcome.kind !== "compared") return undefined;
  const place = ({ method }: ComparedRun) => settings.methods.indexOf(method);
  const runs = outcome.result.runs.toSorted((a, b) => place(a) - place(b));
  return { runs, topic: topic.name, output, model };
}

function topicNamed(name: string): QuickstartTopic {
  if (Object.hasOwn(TOPICS, name)) return TOPICS[name as TopicName];
  throw new UsageError(`There is no quickstart ${name}; known are ${Object.keys(TOPICS).join(", ")}.`);
}

/** The settings of the comparison. All methods get the same number of training steps; BiDoRA has half as many search steps before. */
function presetOf(
  { steps, run }: QuickstartTopic,
  variants: readonly Variant[],
  { methods, seed, device, threads }: Settings<typeof options>,
): CompareSettings {
  const lengthOf = ({ method }: Variant): RunSettings =>
    METHODS[method].upper ? { maxSteps: steps / 2, retrainSteps: steps } : { maxSteps: steps };
  return {
    ...run,
    methods,
    seeds: [seed],
    perMethod: Object.fromEntries(variants.map((variant) => [variant.name, lengthOf(variant)])),
    evalEvery: steps / 4,
    // the runs are too short for checkpoints
    saveEvery: 2 * steps,
    device,
    ...(threads !== undefined && { threads }),
  };
}

/** Suggests next steps. */
const TRY: Readonly<Record<TopicName, (result: QuickstartResult) => string>> = {
  messages: (result) => `
Try one of them on your own messages (one JSON object a line, with "text"):
  echo '{"text":"You have won a prize, call now!"}' > rows.jsonl
  ${HINTED_COMMAND} predict --adapter ${lastOf(result)} --input rows.jsonl --output predictions.jsonl

Train on your own data (JSONL, CSV, TSV or Parquet with a text and a label column):
  ${HINTED_COMMAND} finetune --model ${result.model} --task sequence-classification \\
    --train train.csv --validation validation.csv --output runs/mine
`,
  chat: (result) => `
Talk to one of them:
  ${HINTED_COMMAND} generate --adapter ${lastOf(result)} --chat

Train on your own conversations (JSONL with "messages", or "prompt" and "completion"):
  ${HINTED_COMMAND} finetune --model ${result.model} \\
    --task causal-lm --train chat.jsonl --validation chat-valid.jsonl --output runs/mine
`,
};

const lastOf = ({ runs, output }: QuickstartResult): string => comparedRunFolder(output, runs.at(-1) as ComparedRun);

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
