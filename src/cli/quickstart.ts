import { quickstartOptions } from "../config.js";
import { defineCommand } from "./command.js";
import { observersFor } from "./observers.js";

export const quickstart = defineCommand({
  usage: "quickstart [flags]",
  about: "Fetches a small encoder, trains it on real text messages with each method and compares them.",
  options: quickstartOptions,
  positionals: 0,
  interruptible: true,
  run: async ({ settings, output, signal }) => {
    const { quickstart: compare, renderComparison } = await import("../quickstart.js");
    const result = await compare(settings, { signal, observers: observersFor(output), note: output.note });
    if (!signal.aborted) output.result(result, renderComparison(result));
  },
});
