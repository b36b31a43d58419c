import { sessionOptions } from "../config/index.js";
import { defineCommand, required } from "./command.js";

export const inspect = defineCommand({
  usage: "inspect PATH",
  about: "What is in a model or an adapter: family, sizes, types, tensors, targets.",
  options: sessionOptions,
  positionals: 1,
  run: async ({ positionals: [path], output }) => {
    const { inspect: look } = await import("../inference/inspection.js");
    const { renderInspection } = await import("../commands/inspect.js");
    const found = await look(required(path, "The path of a model or an adapter"));
    output.result(found, renderInspection(found));
  },
});
