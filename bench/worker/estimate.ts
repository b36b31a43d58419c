// A process that estimates a run, or runs it, once: its memory and its time are those of nothing else.
import type { RunSettings } from "../../src/tasks/config/index.js";
import { ROOT } from "../programs.js";
import { type Clock, median } from "../turns/compare.js";

// A run reports bidora's version, which it reads from a file next to the built program.
const built = (path: string) => import(`${ROOT}build/js/${path}`);
const { preloadEngine } = (await built(
  "torch/native/prelude.js",
)) as typeof import("../../src/torch/native/prelude.js");
preloadEngine();
const { finetune } = (await built("app/commands/finetune.js")) as typeof import("../../src/app/commands/finetune.js");
const { measureRun } = (await built(
  "training/estimates/measureRun.js",
)) as typeof import("../../src/training/estimates/measureRun.js");

/** Memory in bytes; time in seconds of a typical step, and of the whole run. */
export interface Figures {
  readonly memory: number;
  readonly step: number;
  readonly whole: number;
}

interface Job {
  readonly job: "estimate" | "run";
  readonly settings: RunSettings;
  readonly clock: Clock;
}

const CLOCKS: Readonly<Record<Clock, () => number>> = {
  wall: () => performance.now(),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

async function estimated(settings: RunSettings, clock: () => number): Promise<Figures> {
  const { peakMemoryBytes, secondsPerStep, seconds } = await measureRun({ flags: settings }, { clock });
  return { memory: peakMemoryBytes, step: secondsPerStep, whole: seconds };
}

async function run(settings: RunSettings, clock: () => number): Promise<Figures> {
  const steps: number[] = [];
  let [memory, before] = [0, 0];
  const observe: Parameters<typeof finetune>[1] = {
    observers: [
      (event) => {
        const now = clock();
        if (event.event === "step") steps.push((now - before) / 1000);
        if (event.event === "done") memory = event.peakMemoryBytes;
        before = clock();
      },
    ],
  };
  await finetune(settings, observe);
  return { memory, step: median(steps), whole: clock() / 1000 };
}

process.once("message", ({ job, settings, clock }: Job) => {
  const work = job === "estimate" ? estimated : run;
  void work(settings, CLOCKS[clock]).then((figures) => process.send?.(figures, () => process.exit(0)));
});
