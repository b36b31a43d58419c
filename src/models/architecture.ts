import { own } from "../base/index.js";
import type { JsonObject } from "../base/records/index.js";
import type { Backbone, ModelConfig } from "./backbone.js";
import { configError } from "./configReader.js";
import type { HeadDesign, HeadKind } from "./heads.js";
import type { SubLayerOutputs } from "./nn/index.js";
import { TaskModel } from "./taskModel.js";

/** A model family: how its configuration is read, its backbone and its heads. */
export interface Architecture<Config extends ModelConfig = ModelConfig> {
  /** The prefix of transformers' class names, such as `Bert`. */
  readonly className: string;
  /** The path of the backbone in a model with a head; checkpoints of the bare model omit it. */
  readonly prefix: string;
  /** Names of the linear layers that get an adapter by default. */
  readonly defaultTargetModules: readonly string[];
  /** The output layers of attention and feed-forward, after which bottleneck adapters are inserted. */
  readonly subLayerOutputs: SubLayerOutputs;
  /** Alternative names of tensors in other versions of checkpoints, by the path with prefix. */
  readonly otherNames?: Readonly<Record<string, readonly string[]>>;
  /** @throws BidoraError `CONFIG` for a value that is invalid or not supported */
  parseConfig(json: JsonObject): Config;
  /** Builds the backbone, with empty parameters. */
  backbone(config: Config): Backbone;
  /** Heads that differ from the usual ones, by the suffix of transformers' class name; null for one that is not supported. */
  readonly heads: Readonly<Record<string, HeadDesign<Config> | null>>;
}

/** Declares an architecture; the type of its configuration stays private to its file. */
export const architecture = <Config extends ModelConfig>(value: Architecture<Config>): Architecture => value;

/** Builds a model, with empty parameters. @throws BidoraError `CONFIG` as `parseConfig`, and for an unsupported head */
export function buildModel(of: Architecture, json: JsonObject, kind: HeadKind, outputs: number): TaskModel {
  const config = of.parseConfig(json);
  const design = designOf(of, kind);
  const prefix = design.isBare ? "" : (design.prefix ?? of.prefix);
  return new TaskModel(config, of.backbone(config), prefix, design, outputs);
}

/** An architecture's head of this kind. @throws BidoraError `CONFIG` for an unsupported head */
export function designOf(of: Architecture, kind: HeadKind): HeadDesign {
  const design = findDesign(of, kind);
  if (!design) throw configError(`${of.className}${kind.className} is not supported.`);
  return design;
}

/** The name of transformers' class for a model with such a head. */
export function classNameOf(of: Architecture, kind: HeadKind): string {
  return findDesign(of, kind)?.className ?? of.className + kind.className;
}

/** An architecture's head of this kind, or undefined for an unsupported head. */
export function findDesign({ heads }: Architecture, kind: HeadKind): HeadDesign | undefined {
  const design = heads[kind.className];
  return design === undefined ? kind.usual : (design ?? undefined);
}

/** Names of the checkpoint tensors that a parameter can be read from, most likely first. */
export function checkpointNames(
  { prefix, otherNames = {} }: Pick<Architecture, "prefix" | "otherNames">,
  path: string,
): readonly string[] {
  const names = [path, ...(own(otherNames, path) ?? [])].flatMap((name) =>
    name.startsWith(`${prefix}.`) ? [name, name.slice(prefix.length + 1)] : [name],
  );
  const old = names.map(toTensorFlowName).filter((name) => !names.includes(name));
  return [...names, ...old];
}

/** Checkpoints converted from TensorFlow have other names for layer-norm weights. */
function toTensorFlowName(name: string): string {
  return name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
}
