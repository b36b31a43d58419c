import type { JsonObject } from "../io/json.js";
import type { Head, HeadKind } from "./head.js";
import type { ModelConfig, TaskModel } from "./taskModel.js";

/** What a `model_type` stands for. */
export interface Architecture {
  /** @throws BidoraError `CONFIG` for a setting of the wrong kind or one that is not supported */
  parseConfig(json: JsonObject): ModelConfig;
  /** A model whose parameters are still empty. @throws as `parseConfig` */
  build(json: JsonObject, head: Head): TaskModel;
  /** Names of the linear layers that get an adapter where the user names none. */
  readonly defaultTargetModules: readonly string[];
  /** Paths of the modules between encoder and logits: in float32, drawn where a checkpoint lacks them. */
  headModules(kind: HeadKind): readonly string[];
  /** transformers' class. */
  architectureName(kind: HeadKind): string;
  /** The names that a parameter's tensor can have in a checkpoint, likeliest first. */
  checkpointNames(path: string): readonly string[];
}

/** The head module whose size depends on the labels; it is trained and saved with every adapter. */
export const CLASSIFIER = "classifier";
