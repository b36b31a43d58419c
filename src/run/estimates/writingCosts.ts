import { METHODS, settingsOf } from "../../config/index.js";
import type { RunEvent } from "../../files/events.js";
import { machineFacts, versions } from "../../train/machine.js";
import { checkpointBytes } from "../../train/rescue.js";
import { parameterCounts } from "../artifacts.js";
import type { Prepared } from "../prepare.js";
import type { PhaseCost, TimeLimits } from "./phaseCosts.js";

/** What a disk is taken to write in a second, checksums included: nothing is written to find it out. */
const BYTES_A_SECOND = 250e6;

/** Of a run's steps, so many are drawn. */
const MOST_STEPS = 2000;

/** Seconds that checkpoints and results take to be written. */
export function secondsOfWriting({ config, adapted, loaded }: Prepared, steps: number): number {
  const { saveEvery, earlyStopping, method } = config;
  const checkpoints = saveEvery === undefined ? 0 : Math.floor(steps / saveEvery);
  const isWhole = METHODS[method].adapter === undefined;
  const ofModel = isWhole ? 4 * parameterCounts({ adapted, loaded }).total : 0;
  return (checkpoints * checkpointBytes(adapted, earlyStopping !== undefined) + ofModel) / BYTES_A_SECOND;
}

/** Seconds that a run's report takes, by one of made-up steps that goes nowhere. Its libraries are loaded for it, as in the run. */
export async function secondsOfReport(
  prepared: Prepared,
  phases: readonly PhaseCost[],
  clock: TimeLimits["clock"],
): Promise<number> {
  const began = clock();
  const { renderReport } = await import("../../report/index.js");
  const drawn = clock();
  const events = madeUpEvents(prepared, phases);
  renderReport([{ name: "estimate", events, isTorn: false }]);
  const ended = clock();
  const steps = phases.reduce((sum, phase) => sum + phase.steps, 0);
  return (drawn - began + (ended - drawn) * Math.max(1, steps / MOST_STEPS)) / 1000;
}

function madeUpEvents(prepared: Prepared, phases: readonly PhaseCost[]): RunEvent[] {
  const { config, rows } = prepared;
  const time = new Date().toISOString();
  const settings = settingsOf(config);
  const parameters = parameterCounts(prepared);
  const steps = phases.flatMap(({ phase, steps }) => Array.from({ length: steps }, () => phase)).slice(0, MOST_STEPS);
  return [
    { event: "start", time, versions: versions(), machine: machineFacts(), settings, parameters, rows, steps: {} },
    ...steps.map((phase, i) => {
      const step = i + 1;
      return {
        event: "step",
        time,
        phase,
        step,
        loss: 1 / step,
        learningRate: 1,
        seconds: 1,
        rows: 1,
        tokens: 1,
      } as const;
    }),
    { event: "done", time, metrics: {}, seconds: 1, peakMemoryBytes: 1 },
  ];
}
