import { INIT_WEIGHTS } from "../../models/index.js";
import { choice, option, text } from "../option.js";

const folder = text("DIR");

/** The model, and what a run starts from. */
export const modelOptions = {
  model: option(text("DIR|GGUF|REPO"), { group: "Model", help: "a local folder, a GGUF file or a Hub repository" }),
  revision: option(text("REV"), {
    group: "Model",
    help: "branch, tag or commit of the repository",
    defaultText: "main",
    advanced: true,
  }),
  adapter: option(folder, { group: "Model", help: "start from this adapter, not a fresh one", advanced: true }),
  initWeights: option(choice(INIT_WEIGHTS), {
    group: "Model",
    help: "keep the checkpoint's own head when it fits the labels, or draw a new one from the seed",
    default: "pretrained-head",
    advanced: true,
  }),
};
