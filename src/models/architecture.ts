import { own } from "../common/collections.js";
import type { JsonObject } from "../files/json.js";
import type { SubLayerOutputs } from "../nn/index.js";
import type { Backbone, ModelConfig } from "./backbone.js";
import { configError } from "./configReader.js";
import type { HeadDesign, HeadKind } from "./heads.js";
import { TaskModel } from "./taskModel.js";

/** What a `model_type` stands for. */
export interface Architecture<Config extends ModelConfig = ModelConfig> {
  /** How transformers' class names begin: `Bert`. */
  readonly className: string;
  /** The path of the backbone in a model with a head; a bare model's checkpoint leaves it out. */
  readonly prefix: string;
  /** Names of the linear layers that get an adapter where the user names none. */
  readonly defaultTargetModules: readonly string[];
  /** Where its attention and its feed-forward end, which is where bottleneck adapters stand. */
  readonly subLayerOutputs: SubLayerOutputs;
  /** Names that a tensor has in other versions of its checkpoints, by its path with the prefix. */
  readonly otherNames?: Readonly<Record<string, readonly string[]>>;
  /** @throws BidoraError `CONFIG` for a setting of the wrong kind or one that is not supported */
  parseConfig(json: JsonObject): Config;
  /** A backbone whose parameters are still empty. */
  backbone(config: Config): Backbone;
  /** Its heads that are not the usual ones, by the end of transformers' class name; null for one that is not supported. */
  readonly heads: Readonly<Record<string, HeadDesign<Config> | null>>;
}

/** Keeps the type of an architecture's configuration within its file. */
export const architecture = <Config extends ModelConfig>(value: Architecture<Config>): Architecture => value;

/** A model whose parameters are still empty. @throws BidoraError `CONFIG` as `parseConfig`, and for a head that it can't have */
export function buildModel(of: Architecture, json: JsonObject, kind: HeadKind, outputs: number): TaskModel {
  const config = of.parseConfig(json);
  return new TaskModel(config, of.backbone(config), of.prefix, designOf(of, kind), outputs);
}

/** How an architecture has a kind of head. @throws BidoraError `CONFIG` for one that it can't have */
export function designOf(of: Architecture, kind: HeadKind): HeadDesign {
  const design = findDesign(of, kind);
  if (!design) throw configError(`${of.className}${kind.className} is not supported.`);
  return design;
}

/** transformers' class for a model with such a head. */
export function classNameOf(of: Architecture, kind: HeadKind): string {
  return findDesign(of, kind)?.className ?? of.className + kind.className;
}

/** The same, or undefined for one that it can't have. */
export function findDesign({ heads }: Architecture, kind: HeadKind): HeadDesign | undefined {
  const design = heads[kind.className];
  return design === undefined ? kind.usual : (design ?? undefined);
}

/** The names of the checkpoint tensors that a parameter can be read from, likeliest first. */
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

/** Checkpoints that came from TensorFlow have other names for the weights of layer norms. */
function toTensorFlowName(name: string): string {
  return name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
}
