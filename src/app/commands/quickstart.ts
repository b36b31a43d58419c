/** `bidora quickstart`: compares methods on real data in a few minutes. A preset of `compare`. */
import { relative } from "node:path";
import { HINTED_COMMAND, INTERRUPTED, shellLine } from "../../base/index.js";
import {
  type ComparedRun,
  type ComparisonFile,
  clearComparison,
  comparedRunFolder,
  holdOutput,
  type Metrics,
  REPORT,
  refuseOccupied,
} from "../../base/records/index.js";
import {
  checkSettings,
  choice,
  type Given,
  names,
  option,
  pick,
  type Settings,
  text,
} from "../../base/settings/index.js";
import { hubOptionsOf } from "../../formats/hub/index.js";
import { type Variant, variantsOf } from "../../studies/comparison/index.js";
import { METHODS, overwrite, type RunSettings, runOptions, session } from "../../tasks/config/index.js";
import { type QuickstartTopic, TOPICS, type TopicName, topicNames } from "../quickstart/topics.js";
import { wordsMetrics } from "../quickstart/words.js";
import { type Context, call, defineCommand, formatTable, type Hooks, refuseAsRank } from "./command.js";
import { type CompareSettings, compareCommand } from "./compare.js";

const options = {
  topic: option(choice(topicNames), {
    group: "Run",
    help: "what is trained, by which methods",
    default: "messages",
    positional: true,
  }),
  methods: option(names("NAMES"), { group: "Run", help: "methods to compare", defaultText: "by TOPIC" }),
  output: option(text("DIR"), {
    group: "Run",
    help: "folder for the results",
    defaultText: topicNames.map((name) => TOPICS[name].output).join(", "),
  }),
  overwrite: { ...overwrite.overwrite, group: "Run" },
  ...pick(runOptions, "seed", "device", "threads"),
  ...session,
};

/** A finished comparison. */
interface QuickstartResult {
  /** The results, in the order of the methods. */
  readonly runs: readonly ComparedRun[];
  /** The scores that theirs have to be read against, on the same rows. */
  readonly baselines: Readonly<Partial<Record<keyof typeof BASELINES, Metrics>>>;
  readonly topic: TopicName;
  readonly output: string;
  /** The model that was trained: a name on the Hub, or a path. */
  readonly model: string;
}

const BASELINES = {
  majority: "the same answer for every row",
  words: "a linear model on words (tf-idf, logistic regression), trained on the same rows",
  start: "the model before its training",
};

export const quickstartCommand = defineCommand({
  usage: "quickstart [messages|bidora|chat] [flags]",
  about:
    "Fine-tunes a small model with each method and compares them: an encoder on text messages (with bidora by LoRA, DoRA and BiDoRA), or a chat model.",
  options,
  hooks: ["signal", "onNote", "onDownload", "hub", "observers"],
  leavesFiles: true,
  run: compareOnTopic,
  show: (result) =>
    result ? { value: result, text: `${renderComparison(result)}${nextCommands(result)}` } : { status: INTERRUPTED },
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
  const topic: QuickstartTopic = TOPICS[settings.topic];
  const { methods = topic.methods, output = topic.output, overwrite } = settings;
  const variants = variantsOf(methods);
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
  const runs = methods.flatMap((name) => outcome.result.runs.filter(({ method }) => method === name));
  return { runs, baselines: await baselinesOf(topic, outcome.result), topic: settings.topic, output, model };
}

/** Of a classifier the majority and a linear model, of a language model itself before its training. */
async function baselinesOf({ run }: QuickstartTopic, { baselines = [] }: ComparisonFile) {
  const recorded = (name: string): Metrics =>
    Object.fromEntries(
      baselines.flatMap(({ baseline, metric, value }) => (baseline === name ? [[metric, value]] : [])),
    );
  if (run.task !== "sequence-classification") return { start: recorded("start") };
  return { majority: recorded("majority"), words: await wordsMetrics(run) };
}

/** The settings of the comparison. All methods get the same number of training steps; BiDoRA has half as many search steps before. */
function presetOf(
  { steps, run }: QuickstartTopic,
  variants: readonly Variant[],
  { seed, device, threads }: Settings<typeof options>,
): CompareSettings {
  const lengthOf = ({ method }: Variant): RunSettings =>
    METHODS[method].upper ? { maxSteps: steps / 2, retrainSteps: steps } : { maxSteps: steps };
  return {
    ...run,
    methods: variants.map(({ name }) => name),
    seeds: [seed],
    perMethod: Object.fromEntries(variants.map((variant) => [variant.name, lengthOf(variant)])),
    evalEvery: steps / 4,
    // the runs are too short for checkpoints
    saveEvery: 2 * steps,
    device,
    ...(threads !== undefined && { threads }),
  };
}

/** Two commands that work as they are, in this folder. */
function nextCommands({ topic, runs, output, model }: QuickstartResult): string {
  const { learningRate, train } = TOPICS[topic].run;
  const trained = shellLine(["--adapter", comparedRunFolder(output, runs[0]!)]);
  const given = shellLine(["--model", model, "--train", relative("", train)]);
  const text = `'{"text":"Free entry: text WIN to 80086 for your prize!"}' > message.jsonl`;
  const files = "--input message.jsonl --output prediction.jsonl --overwrite && cat prediction.jsonl";
  const [use, rows] =
    topic === "chat"
      ? [`Talk to a trained model:\n  ${HINTED_COMMAND} generate ${trained} --chat`, "JSONL file with messages"]
      : [
          `Label a message of yours:\n  echo ${text} && ${HINTED_COMMAND} predict ${trained} ${files}`,
          "CSV (TSV, JSONL, Parquet) with a text and a label column",
        ];
  return `
${use}

Train on your own rows: put your ${rows} in place of this file:
  ${HINTED_COMMAND} finetune ${given} --holdout-fraction 0.2 --batch-size 8 --learning-rate ${learningRate} --output runs/mine
`;
}

function renderComparison({ runs, baselines, output }: QuickstartResult): string {
  const shown = Object.entries(baselines);
  const metrics = Object.keys(shown[0]![1]);
  const scores = (found: Metrics) => metrics.map((name) => found[name] ?? "");
  const table = formatTable(
    ["method", ...metrics, "trained", "seconds", "peak MiB"],
    [
      ...shown.map(([name, found]) => [name, ...scores(found)]),
      ...runs.map((run) => [
        ...[run.method, ...scores(run.metrics), run.trainedParameters, Math.round(run.seconds)],
        Math.round(run.peakMemoryBytes / 2 ** 20),
      ]),
    ],
  );
  return `
${table}

${shown.map(([name]) => `${name}: ${BASELINES[name as keyof typeof BASELINES]}`).join("\n")}

Report with all curves:  ${output}/${REPORT}
Adapters for PEFT:       ${runs.map((run) => comparedRunFolder(output, run)).join("\n                         ")}
`;
}
