/** What the next run takes on this machine: memory against what is free, time, steps. */
import { existsSync } from "node:fs";
import { BidoraError, formatBytes, formatCount, formatSeconds } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import { memoryOf } from "../../../torch/devices/index.js";
import type { Estimate } from "../../../training/estimates/index.js";
import { facts, firstStep, workPart } from "../page.js";
import type { Studio } from "../workspace.js";
import { failedFinding } from "./failedFinding.js";
import { modelState, rowStates } from "./fileStates.js";
import { isOnMachine } from "./found.js";

const ESTIMATE = "estimate";

/** What `estimate --json` prints. */
type Estimated = Omit<Estimate, "notes" | "stepsOfPhases">;

/**
 * A section that starts the estimate if it has to, and follows it.
 * @param isBusy whether a run trains: beside it, neither would be measured as it is alone
 * @throws UsageError for a run.yaml that commands refuse too
 */
export function estimatePart(studio: Studio, isBusy = false): Markup {
  return html`<section id="estimate" aria-labelledby="estimate-title"><h2 id="estimate-title">What fits this machine</h2>${content(studio, isBusy)}</section>`;
}

function content(studio: Studio, isBusy: boolean): Markup {
  const file = studio.runFile.read();
  const missing = whatIsMissing(studio, file);
  if (missing) return missing;
  const question = {
    name: ESTIMATE,
    title: "Trying some steps of the run",
    key: keyOf(studio, file),
    keyNow: () => keyOf(studio, studio.runFile.read()),
    words: ["estimate", "run.yaml"],
  };
  const answer = isBusy ? studio.findings.known(question) : studio.findings.ask(question);
  if (!answer) return html`<p class="note">The next run is estimated when no run trains.</p>`;
  if (answer.state === "done") return estimated(answer.values.at(-1) as Estimated, file);
  return html`${workPart(ESTIMATE, studio.works.get(ESTIMATE)) ?? html`<p class="note">It starts in a moment.</p>`}${failedFinding(ESTIMATE, answer)}`;
}

/** The step that comes first, or what is wrong with the settings. */
export function whatIsMissing(studio: Studio, file: RunSettings): Markup | undefined {
  const { model, train, data, adapter } = file;
  if (train === undefined && data === undefined) return firstStep("There are no rows yet.", "/data", "Add rows");
  if (model === undefined && adapter === undefined)
    return firstStep("No model is chosen yet.", "/model", "Choose a model");
  if (model !== undefined && !isOnMachine(studio.folder.path, model))
    return firstStep(`${model} is not on this machine yet.`, "/model", "Download it");
  try {
    studio.runFile.settled();
    return undefined;
  } catch (error) {
    if (error instanceof BidoraError) return html`<p class="problem">${error.message}</p>`;
    throw error;
  }
}

/** All that an answer about the run depends on: its settings, and the state of the files that it reads. */
export function keyOf(studio: Studio, file: RunSettings): string {
  const { path } = studio.folder;
  const models = [file.model, file.adapter].map((name) => name !== undefined && modelState(path, name));
  return JSON.stringify([Object.entries(file).sort(), models, rowStates(path, file)]);
}

function estimated(
  { parameters, seconds, secondsPerStep, steps, warnings, ...memory }: Estimated,
  file: RunSettings,
): Markup {
  const { trained, total } = parameters;
  const share = ((100 * trained) / total).toPrecision(3);
  const list = facts([
    ["Time", formatSeconds(seconds)],
    ["Steps", formatCount(steps)],
    [
      "A typical step",
      secondsPerStep < 0.1 ? `${(1000 * secondsPerStep).toFixed(1)} ms` : formatSeconds(secondsPerStep),
    ],
    ["Trained parameters", `${formatCount(trained)} of ${formatCount(total)} (${share} %)`],
  ]);
  return html`${memoryBar(memory, file)}${list}${warnings.map((text) => html`<p class="problem">${text}</p>`)}`;
}

/** Where GPUs show themselves on Linux. What is free on one only libtorch knows, which this process does not load. */
const GPUS = ["/dev/nvidiactl", "/dev/kfd"];

/** Whether a run takes the memory of the machine, as far as that is known without libtorch. */
const isOnCpu = ({ device = "auto" }: RunSettings): boolean =>
  device === "cpu" || (device === "auto" && process.platform === "linux" && !GPUS.some((path) => existsSync(path)));

/** The peak of the run's memory against what is free now; on a GPU against what was free when it was measured. */
function memoryBar(
  {
    peakMemoryBytes: peak,
    availableMemoryBytes: measured,
  }: Pick<Estimated, "peakMemoryBytes" | "availableMemoryBytes">,
  file: RunSettings,
) {
  const isNow = isOnCpu(file);
  const free = isNow ? memoryOf("cpu").free() : measured;
  const percent = Math.round((100 * peak) / free);
  const fits = peak <= free;
  const verdict = fits
    ? "It fits."
    : "It does not fit: lower the batch size or the maximum length, or choose a smaller model.";
  const said = `Memory: ${formatBytes(peak)} at the peak of ${formatBytes(free)} that ${isNow ? "are free" : "were free when it was measured"} (${percent} %).`;
  return html`<p class="memory-text">${said} <strong>${verdict}</strong></p><div class="memory${fits ? "" : " over"}" aria-hidden="true"><div style="width:${Math.min(100, percent)}%"></div></div>`;
}
