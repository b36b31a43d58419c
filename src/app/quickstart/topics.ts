// What the quickstart trains: a small model on rows that come with bidora.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../base/index.js";
import type { HubOptions } from "../../formats/hub/index.js";
import type { RunSettings } from "../../tasks/config/index.js";
import { QUICKSTART_MODEL, quickstartChatModel, quickstartModel } from "./models.js";

/** A task that the quickstart trains a model for. */
export interface QuickstartTopic {
  /** The methods that are compared by default. */
  readonly methods: readonly string[];
  /** What is trained, and on how many rows. */
  readonly about: string;
  /** The default output folder. */
  readonly output: string;
  /** The runs' model, downloaded first if necessary. */
  model(hub: HubOptions | undefined): Promise<string>;
  /** Training steps of each method. BiDoRA searches for half as many steps before. */
  readonly steps: number;
  /** The other settings of a run. */
  readonly run: Omit<RunSettings, "model" | "method" | "output">;
}

const data = (path: string): string => join(packageRoot, "examples", "data", path);

const messages = {
  methods: ["lora", "dora"],
  about: `fine-tuning ${QUICKSTART_MODEL} to tell spam from ham, 400 text messages to learn from`,
  output: "runs/quickstart",
  model: async (hub) => {
    // A local folder of that name is used as it is, as with --model.
    if (!existsSync(QUICKSTART_MODEL)) await quickstartModel(hub);
    return QUICKSTART_MODEL;
  },
  steps: 120,
  run: {
    task: "sequence-classification",
    train: data("sms_spam/train.tsv"),
    validation: data("sms_spam/test.tsv"),
    batchSize: 16,
    learningRate: 2e-3,
  },
} as const satisfies QuickstartTopic;

export const TOPICS = {
  messages,
  bidora: { ...messages, methods: ["lora", "dora", "bidora"], output: "runs/quickstart-bidora" },
  chat: {
    methods: ["lora", "dora"],
    about: "fine-tuning SmolLM2-135M-Instruct to answer with a command, 114 conversations to learn from",
    output: "runs/quickstart-chat",
    model: quickstartChatModel,
    steps: 40,
    run: {
      task: "causal-lm",
      train: data("shell_help/train.jsonl"),
      validation: data("shell_help/validation.jsonl"),
      batchSize: 8,
      learningRate: 1e-3,
    },
  },
} as const satisfies Readonly<Record<string, QuickstartTopic>>;

/** The name of a quickstart. */
export type TopicName = keyof typeof TOPICS;

export const topicNames = Object.keys(TOPICS) as [TopicName, ...TopicName[]];
