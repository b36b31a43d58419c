// Groups of trained tensors, by what they are in their method: what an upper level can train.

import { isWithin, isWithinAny } from "../nn/index.js";
import type { TrainedTensor } from "./adapted.js";
import { B_BIAS, LOW_RANK_NAMES, MAGNITUDE } from "./lowRankLayers.js";
import { E } from "./methods/adaloraConfig.js";
import { LAMBDA } from "./methods/delora.js";
import { VECTOR } from "./methods/ia3.js";
import { DIAGONAL } from "./methods/prediag.js";
import { LAMBDAS } from "./methods/vera.js";

const ofAdapter =
  (...names: readonly string[]) =>
  ({ name }: TrainedTensor): boolean =>
    names.some((own) => name.endsWith(`.${own}`));

const MEMBERS = {
  magnitudes: ofAdapter(MAGNITUDE),
  "lora-b": ofAdapter(LOW_RANK_NAMES.linear.b, LOW_RANK_NAMES.embedding.b),
  prediag: ofAdapter(DIAGONAL),
  vera: ofAdapter(...LAMBDAS),
  ia3: ofAdapter(VECTOR),
  adalora: ofAdapter(E),
  delora: ofAdapter(LAMBDA),
  bias: ({ name }: TrainedTensor) => name.endsWith(".bias"),
  norms: ({ isNorm }: TrainedTensor) => isNorm,
} satisfies Readonly<Record<string, (tensor: TrainedTensor) => boolean>>;

/** What LoRA+ gives a larger learning rate: B, with its bias, and magnitudes. */
export const isRaisedByLoraPlus = ofAdapter(LOW_RANK_NAMES.linear.b, B_BIAS, MAGNITUDE);

/** A or B of an embedding. */
export const isLowRankEmbedding = ofAdapter(...Object.values(LOW_RANK_NAMES.embedding));

/** The name of a group of trained tensors. The head is a group as a whole: none of its tensors is in another one. */
export type TensorGroup = keyof typeof MEMBERS | "head";

/** The adapted modules, and the modules of the head, by their paths. */
interface Places {
  readonly adapted: { readonly modules: readonly { readonly path: string }[] };
  readonly headModules: readonly string[];
}

/** Whether a trained tensor is in a group. The adapter of a module of the head, such as BERT's pooler, is not the head's. */
export function isInGroup(group: TensorGroup, tensor: TrainedTensor, { adapted, headModules }: Places): boolean {
  const isOfHead = isWithinAny(tensor.name, headModules) && !moduleOf(tensor, adapted);
  return group === "head" ? isOfHead : !isOfHead && MEMBERS[group](tensor);
}

/**
 * A trained tensor's kind and layer, `KIND.N`: KIND is its name in the adapter, or in its module where there is no adapter, and N the first
 * number in its path; KIND alone where there is none. All of the head is `head`.
 */
export function kindAndLayer(tensor: TrainedTensor, places: Places): string {
  if (isInGroup("head", tensor, places)) return "head";
  const parts = tensor.name.split(".");
  const adapted = moduleOf(tensor, places.adapted);
  const kind = adapted ? parts[adapted.path.split(".").length] : parts.at(-1);
  return [kind, parts.find((part) => /^\d+$/.test(part))].filter((part) => part !== undefined).join(".");
}

const moduleOf = ({ name }: TrainedTensor, { modules }: Places["adapted"]) =>
  modules.find(({ path }) => isWithin(name, path));
