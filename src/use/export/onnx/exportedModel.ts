/** Opens the model to export: with its head, or without one. */

import {
  type CrossEncoderFormat,
  type EmbeddingFormat,
  isSentenceTransformer,
  readConfig,
} from "../../../formats/index.js";
import { mergedParameters } from "../../../models/adapters/index.js";
import { architectureOf, type HeadKind, loadModel, modelTypeOf, NO_HEAD } from "../../../models/index.js";
import { inferTask, type Task } from "../../../tasks/index.js";
import { Generator } from "../../../torch/index.js";
import { type FoundModel, type OpenModel, type OpenOptions, open } from "../../inference/open.js";
import type { GraphFamily } from "./encoder.js";
import { GRAPH_FAMILIES } from "./families.js";
import { type Changed, ModelGraph } from "./graph/modelGraph.js";

export interface ExportedModel
  extends Pick<OpenModel, "model" | "architecture" | "labels" | "checkpointConfig" | "metadata"> {
  readonly task:
    | Task
    | {
        readonly head: HeadKind;
        readonly problem?: { readonly type: string };
        readonly embedding?: EmbeddingFormat;
        readonly reranking?: CrossEncoderFormat;
        readonly maxLength?: number | undefined;
      };
  /** The task; undefined for hidden states. */
  readonly kind: string | undefined;
  readonly changed: Changed;
}

export const graphFamilyOf = (folder: string): GraphFamily =>
  GRAPH_FAMILIES[modelTypeOf(architectureOf(readConfig(folder)))];

/** @param headless whether only hidden states are wanted; a checkpoint without a head has nothing else */
export async function openToExport(
  found: FoundModel,
  { task, pooling }: Pick<OpenOptions, "task" | "pooling">,
  headless: boolean,
): Promise<ExportedModel> {
  const isBare = headless || (pooling === undefined && isHeadless(found.folder));
  if (!found.adapter && !task && isBare) return openBare(found.folder);
  const opened = await open(found, { task, pooling, dtype: "float32" });
  const whole = { ...opened, changed: changedBy(opened) };
  return headless ? { ...whole, task: { head: NO_HEAD }, kind: undefined, labels: [] } : whole;
}

const isHeadless = (folder: string): boolean => !inferTask(readConfig(folder)) && !isSentenceTransformer(folder);

async function openBare(folder: string): Promise<ExportedModel> {
  const generator = new Generator(0);
  const loaded = await loadModel(folder, { head: NO_HEAD, outputs: 0, dtype: "float32", generator });
  const checkpointConfig = readConfig(folder);
  const none = { task: { head: NO_HEAD }, kind: undefined, labels: [], changed: new Map(), metadata: undefined };
  return { ...loaded, checkpointConfig, ...none };
}

/** The parameters that the adapter changes. Bottlenecks can't be merged: they become nodes. */
function changedBy({ adapted, adapter }: OpenModel): Changed {
  if (!adapted || adapter?.config.method === "adapter") return new Map();
  return mergedParameters(adapted, "float32");
}

export function graphOf(family: GraphFamily, { model, changed, architecture, task }: ExportedModel): ModelGraph {
  const graph = new ModelGraph(model, changed, architecture.prefix, task.embedding);
  family.build(graph, task.head === NO_HEAD ? undefined : task.head.className);
  return graph;
}
