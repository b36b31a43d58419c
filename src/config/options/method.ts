import { ADAPTER_PLACEMENTS, MAGNITUDE_AXES, NORM_GRADIENTS } from "../../adapters/index.js";
import { whereUsed } from "../conditions.js";
import { methodNames } from "../methods.js";
import { choice, modules, number, option, pattern, toggle, whole } from "../option.js";

/** What is trained. */
export const methodOptions = {
  method: option(choice(methodNames), {
    group: "Method",
    help: methodNames.join(", "),
    placeholder: "NAME",
    default: "bidora",
  }),
  targetModules: option(modules, {
    group: "Method",
    placeholder: "M",
    help: "query,value; a pattern; or all-linear",
    defaultText: "by model",
    acts: whereUsed("targetModules"),
  }),
  rank: option(whole(1), { group: "Method", help: "of the low-rank update", default: 8, acts: whereUsed("rank") }),
  alpha: option(number({ above: 0 }), {
    group: "Method",
    help: "the update is scaled by alpha / rank",
    default: 16,
    advanced: true,
    acts: whereUsed("alpha"),
  }),
  dropout: option(number({ least: 0, below: 1 }), {
    group: "Method",
    help: "on the input of the low-rank branch",
    default: 0,
    advanced: true,
    acts: whereUsed("dropout"),
  }),
  rslora: option(toggle, {
    group: "Method",
    help: "scale by alpha / sqrt(rank) instead",
    default: false,
    advanced: true,
    acts: whereUsed("rslora"),
  }),
  rankPattern: option(pattern(whole(1)), {
    group: "Method",
    help: "other ranks for the modules that match",
    defaultText: "none",
    advanced: true,
    acts: whereUsed("rankPattern"),
  }),
  alphaPattern: option(pattern(number({ above: 0 })), {
    group: "Method",
    help: "other alphas for the modules that match",
    defaultText: "none",
    advanced: true,
    acts: whereUsed("alphaPattern"),
  }),
  magnitudeAxis: option(choice(MAGNITUDE_AXES), {
    group: "Method",
    help: "one magnitude for each output row, or for each input column",
    default: "out",
    advanced: true,
    acts: whereUsed("magnitudeAxis"),
  }),
  normGradient: option(choice(NORM_GRADIENTS), {
    group: "Method",
    help: "whether gradients flow through the direction's norm",
    defaultText: "bidora: full, else detached",
    advanced: true,
    acts: whereUsed("normGradient"),
  }),
  adapterSize: option(whole(1), {
    group: "Method",
    help: "width of the bottleneck",
    default: 64,
    advanced: true,
    acts: whereUsed("adapterSize"),
  }),
  adapterPlacement: option(choice(ADAPTER_PLACEMENTS), {
    group: "Method",
    help: "after attention and feed-forward, with the norms trained, or after feed-forward alone",
    default: "houlsby",
    advanced: true,
    acts: whereUsed("adapterPlacement"),
  }),
  adaloraInitRank: option(whole(1), {
    group: "Method",
    help: "of every layer at first; --rank is what their mean comes to",
    defaultText: "1.5 x rank, rounded up",
    advanced: true,
    acts: whereUsed("adaloraInitRank"),
  }),
  adaloraTinit: option(whole(0), {
    group: "Method",
    help: "steps before the first rank is taken away",
    default: 0,
    advanced: true,
    acts: whereUsed("adaloraTinit"),
  }),
  adaloraTfinal: option(whole(0), {
    group: "Method",
    help: "steps after the last one is",
    default: 0,
    advanced: true,
    acts: whereUsed("adaloraTfinal"),
  }),
  adaloraDeltaT: option(whole(1), {
    group: "Method",
    help: "steps from one allocation of ranks to the next",
    default: 1,
    advanced: true,
    acts: whereUsed("adaloraDeltaT"),
  }),
  adaloraOrthogonalWeight: option(number({ least: 0 }), {
    group: "Method",
    help: "of the penalty that keeps factors orthogonal",
    default: 0.5,
    advanced: true,
    acts: whereUsed("adaloraOrthogonalWeight"),
  }),
};
