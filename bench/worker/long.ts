// A process that makes one session of a long run, and notes its memory and the processor time of every step.
import type { RunSettings } from "../../src/tasks/config/index.js";
import { ROOT } from "../programs.js";

// A run reports bidora's version, which it reads from a file next to the built program.
const built = (path: string) => import(`${ROOT}build/js/${path}`);
const { preloadEngine } = (await built(
  "torch/native/prelude.js",
)) as typeof import("../../src/torch/native/prelude.js");
preloadEngine();
const { finetune } = (await built("app/commands/finetune.js")) as typeof import("../../src/app/commands/finetune.js");
const { report } = (await built("app/commands/report.js")) as typeof import("../../src/app/commands/report.js");

/** What a step took. */
export interface StepCost {
  readonly step: number;
  readonly phase: string;
  /** Seconds of all processors since the step before, with what followed that step: its line in the log, its evaluation, its checkpoint. */
  readonly cpu: number;
  readonly residentBytes: number;
}

export interface Job {
  readonly settings: RunSettings;
  /** The number of steps after which the session is stopped. */
  readonly stopAfter?: number;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function run({ settings, stopAfter = Number.POSITIVE_INFINITY }: Job): Promise<StepCost[]> {
  const costs: StepCost[] = [];
  const stopping = new AbortController();
  let before = 0;
  await finetune(settings, {
    signal: stopping.signal,
    observers: [
      (event) => {
        if (event.event !== "step") return;
        const now = cpuSeconds();
        const { step, phase } = event;
        costs.push({ step, phase, cpu: now - before, residentBytes: process.memoryUsage.rss() });
        before = now;
        if (costs.length >= stopAfter) stopping.abort();
      },
    ],
  });
  return costs;
}

/** The processor time of this process once the report of a run is written. */
async function reported(folder: string): Promise<number> {
  await report({ runs: [folder] });
  return cpuSeconds();
}

process.once("message", (job: Job | string) => {
  const done = typeof job === "string" ? reported(job) : run(job);
  void done.then((result) => process.send?.(result, () => process.exit(0)));
});
