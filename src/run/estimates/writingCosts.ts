import { METHODS, settingsOf } from "../../config/index.js";
import type { RunEvent } from "../../files/events.js";
import { machineFacts, versions } from "../../train/machine.js";
import { checkpointBytes } from "../../train/rescue.js";
import { parameterCounts } from "../artifacts.js";
import type { Prepared } from "../prepare.js";
import type { PhaseCost, TimeLimits } from "./phaseCosts.js";

/** The assumed speed of writing to disk, including checksums; it is not measured, because an estimate writes nothing. */
const BYTES_A_SECOND = 250e6;

/** The number of steps in the report that is measured. */
const MOST_STEPS = 2000;

/** Seconds for writing checkpoints and results. */
export function secondsOfWriting({ config, adapted, loaded }: Prepared, steps: number): number {
  const { saveEvery, earlyStopping, method } = config;
  const checkpoints = saveEvery === undefined ? 0 : Math.floor(steps / saveEvery);
  const isWhole = METHODS[method].adapter === undefined;
  const ofModel = isWhole ? 4 * parameterCounts({ adapted, loaded }).total : 0;
  return (checkpoints * checkpointBytes(adapted, earlyStopping !== undefined) + ofModel) / BYTES_A_SECOND;
}

/** Seconds for the run's report, measured with a report on made-up steps. They include loading its libraries, as in the run. */
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
  const { config, rows, loaded } = prepared;
  const time = new Date().toISOString();
  const settings = settingsOf(config);
  const parameters = parameterCounts(prepared);
  const steps = phases.flatMap(({ phase, steps }) => Array.from({ length: steps }, () => phase)).slice(0, MOST_STEPS);
  return [
    {
      event: "start",
      time,
      versions: versions(),
      machine: machineFacts(loaded.model.device),
      settings,
      parameters,
      rows,
      steps: {},
    },
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
