import { Linear } from "../nn/index.js";
import type { HeadDesign } from "./head.js";

/** The state of a row's last token, and a product without bias: how decoders classify. */
export const scoreHead: HeadDesign = {
  reads: "last",
  output: "score",
  build(config, outputs) {
    const score = new Linear(config.hiddenSize, outputs, { bias: false });
    return { modules: { score }, forward: (hidden, context) => score.forward(hidden, context) };
  },
};
