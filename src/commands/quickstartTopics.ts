import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunSettings } from "../config/index.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { quickstartChatModel } from "../io/quickstartChatModel.js";
import { QUICKSTART_MODEL } from "../io/quickstartModel.js";

/** What the quickstart trains a model for. */
export interface QuickstartTopic {
  /** What is done, and on how much. */
  readonly about: string;
  /** Where results go, unless the user says so. */
  readonly output: string;
  /** What is given as the runs' model; fetched first where no run would fetch it. */
  model(hub: HubOptions | undefined): Promise<string>;
  /** Training steps of each method; BiDoRA searches half as long before. */
  readonly steps: number;
  /** The other settings of a run. */
  readonly run: Omit<RunSettings, "model" | "method" | "output">;
}

const data = (path: string): string => join(fileURLToPath(new URL("../../examples/data/", import.meta.url)), path);

export const TOPICS = {
  messages: {
    about: `fine-tuning ${QUICKSTART_MODEL} to tell spam from ham, 400 text messages to learn from`,
    output: "runs/quickstart",
    model: async () => QUICKSTART_MODEL,
    steps: 120,
    run: {
      task: "sequence-classification",
      train: data("sms_spam/train.tsv"),
      validation: data("sms_spam/test.tsv"),
      batchSize: 16,
      learningRate: 2e-3,
    },
  },
  chat: {
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

/** What the quickstart can be asked for. */
export type TopicName = keyof typeof TOPICS;
