/** What the studio asks the process that holds opened models, and what comes back. Both are lines of JSON. */
import type { InputRow, ModelGenerateSettings, Prediction } from "../../../use/inference/index.js";

/** The kinds of tasks whose models are language models. */
export const GENERATING: readonly string[] = ["causal-lm", "preference"];

/** A model to ask: a finished run, or what it was trained from. */
export interface AskedModel {
  /** Its name in answers. */
  readonly name: string;
  /** The run's folder, from the studio's. */
  readonly run: string;
  /** Changes when the run's files do. */
  readonly version: number;
  /** The kind of the run's task. */
  readonly task: string;
  readonly isBase: boolean;
  /** The model that the run began with, if the run wrote a whole model instead of an adapter. */
  readonly wholeOf?: string | undefined;
}

/** Text that goes on: a prompt, or a conversation. */
export type Continued = string | readonly ChatMessage[];

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Rows to predict, as `predict` takes them. */
export interface PredictQuestion {
  readonly kind: "predict";
  readonly models: readonly AskedModel[];
  readonly rows: readonly InputRow[];
}

/** What comes after texts, one for each model. */
export interface GenerateQuestion {
  readonly kind: "generate";
  readonly models: readonly AskedModel[];
  readonly prompts: readonly Continued[];
  readonly settings: ModelGenerateSettings;
}

/** The training texts whose embeddings are nearest to a text's. */
export interface NearestQuestion {
  readonly kind: "nearest";
  readonly models: readonly AskedModel[];
  readonly text: string;
  /** The file of the training rows, from the studio's folder. */
  readonly file: string;
  /** The columns of their texts that the run was trained on. */
  readonly columns?: readonly string[] | undefined;
}

/** Why a model can't be exported, or served. */
export interface RefusalsQuestion {
  readonly kind: "refusals";
  readonly models: readonly AskedModel[];
}

export type Question = PredictQuestion | GenerateQuestion | NearestQuestion | RefusalsQuestion;

/** Texts by the cosine of their embedding with the asked text's, the largest first. */
export interface Nearest {
  readonly texts: readonly { readonly text: string; readonly line: number; readonly cosine: number }[];
  /** How many texts were compared, of how many different ones. */
  readonly searched: number;
  readonly of: number;
}

/** By what would be made: the command's sentence. */
export type Refusals = Readonly<Partial<Record<Made, string>>>;
export type Made = "gguf" | "gguf-lora" | "onnx" | "serve";

/** A part of an answer, of one of the asked models. */
export type Piece = { readonly model: string } & (
  | { readonly text: string }
  | { readonly error: string }
  | { readonly predictions: readonly Prediction[] }
  | { readonly nearest: Nearest }
  | { readonly refusals: Refusals }
  | { readonly done: true }
);

/** What the process reads. */
export type Sent = { readonly id: number; readonly question: Question } | { readonly cancel: number };

/** What it writes: parts of an answer, and after the last one its memory in bytes, or why there is no answer. */
export type Received =
  | { readonly id: number; readonly piece: Piece }
  | { readonly id: number; readonly memory: number; readonly open: readonly string[]; readonly error?: string };
