/** `bidora estimate`: predicts a run's cost. */
import { formatBytes, formatCount, formatSeconds } from "../../base/index.js";
import { type Given, omit } from "../../base/settings/index.js";
import { askedRun, runFile, runOptions, session } from "../../tasks/config/index.js";
import { type Estimate, estimateRun } from "../../training/estimates/index.js";
import { call, defineRunCommand, formatTable, HUB_HOOKS, type HubHooks } from "./command.js";

/** The options of a run. Nothing is written, so the output folder hardly matters. */
const options = {
  ...runFile,
  ...omit(runOptions, "dashboard"),
  output: { ...runOptions.output, advanced: true as const },
  overwrite: { ...runOptions.overwrite, advanced: true as const },
  resume: { ...runOptions.resume, advanced: true as const },
  ...session,
};

/** What `estimate` takes: the flags of `bidora estimate`, in camelCase. */
export type EstimateSettings = Given<typeof options>;

export const estimateCommand = defineRunCommand({
  usage: "estimate [run.yaml] [flags]",
  about: "Predicts a run's memory, time and parameter count. Takes the options of finetune.",
  options,
  hooks: HUB_HOOKS,
  run: (given, context) => estimateRun(askedRun(given), context),
  show(found) {
    const { notes, stepsOfPhases: _, ...value } = found;
    return {
      value,
      text: table(found),
      notes: [...notes, ...found.warnings],
    };
  },
});

/**
 * Predicts how many parameters a run has and trains, how much memory it takes, and how long a step and the whole run take. A separate
 * process does some of the run's steps and evaluations, including those with the largest batches, and writes nothing. Times are
 * extrapolated from these by the number of tokens; the memory is that process's peak. `warnings` list parts of the run that could not be
 * tried within a minute or would not fit in memory.
 * @throws BidoraError, UsageError as `finetune` before its first step; `MEMORY` if a step that was tried took too much
 */
export const estimate = (settings: EstimateSettings, hooks: HubHooks = {}): Promise<Estimate> =>
  call("estimate", estimateCommand, settings, hooks);

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
