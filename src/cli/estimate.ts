import { formatBytes, formatCount, formatSeconds } from "../common/format.js";
import { estimateOptions, readRunFile, resolveRun } from "../config/index.js";
import type { Estimate } from "../run/estimates/estimateRun.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { formatTable } from "./output.js";

export const estimate = defineCommand({
  usage: "estimate [run.yaml] [flags]",
  about: "Says what finetune takes with the same flags: parameters, memory, time.",
  options: estimateOptions,
  positionals: 1,
  interruptible: true,
  run: async ({ given, positionals: [file], output, signal }) => {
    const config = resolveRun(given, { file: file === undefined ? {} : readRunFile(file) });
    const { estimate: ask } = await import("../run/estimates/estimateRun.js");
    const found = await ask(config, { signal, hub: { signal, ...downloadHooks(output) } });
    const { parameters, peakMemoryBytes, secondsPerStep, steps, seconds, notes, warnings } = found;
    output.result({ parameters, peakMemoryBytes, secondsPerStep, steps, seconds, warnings }, table(found));
    for (const note of [...notes, ...warnings]) output.note(note);
  },
});

function table(found: Estimate): string {
  const { parameters, peakMemoryBytes, availableMemoryBytes, secondsPerStep, steps, seconds, stepsOfPhases } = found;
  const share = ((100 * parameters.trained) / parameters.total).toPrecision(3);
  const phases = Object.entries(stepsOfPhases).map(([phase, count]) => `${phase} ${formatCount(count)}`);
  return formatTable(
    ["what", "estimate"],
    [
      ["parameters", formatCount(parameters.total)],
      ["trained", `${formatCount(parameters.trained)} (${share} %)`],
      ["peak memory", `${formatBytes(peakMemoryBytes)} of ${formatBytes(availableMemoryBytes)} available`],
      [
        "typical step",
        secondsPerStep < 0.1 ? `${(1000 * secondsPerStep).toFixed(1)} ms` : formatSeconds(secondsPerStep),
      ],
      ["steps", phases.length > 1 ? `${formatCount(steps)} (${phases.join(", ")})` : formatCount(steps)],
      ["whole run", formatSeconds(seconds)],
    ],
  );
}
