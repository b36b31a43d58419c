// `npm run bench:breakdown -- --before FOLDER`: where a step's time goes in this build and in another; writes a figure and its numbers.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Breakdown, drawBreakdown } from "./figures/breakdownFigure.js";
import { partsOf } from "./figures/breakdownParts.js";
import { METHOD_CHOICES, type MethodChoice, stepOf } from "./figures/methodChoices.js";
import { machine } from "./machine.js";
import { ownWorker, ROOT, unpinEnvironment } from "./programs.js";
import { randomModel } from "./setup/randomModel.js";
import { scratchFolder } from "./setup/scratch.js";
import { peers } from "./setup/venv.js";
import { workerOf } from "./turns/before.js";
import { median } from "./turns/compare.js";
import type { Answers, OwnSpec } from "./turns/protocol.js";
import { type Program, startWorker, type WorkerProcess } from "./turns/workerProcess.js";

const { values } = parseArgs({
  options: {
    before: { type: "string" },
    output: { type: "string", default: join(ROOT, "bench", "results", "breakdown") },
  },
});
if (values.before === undefined)
  throw new Error("--before is missing: give another checkout of bidora in which `npm run setup` has been run.");

/** Turns per build, and steps per turn. */
const TURNS = 3;
const STEPS = 2;

type Profile = Answers["profile"];

/** For each build, the profile of the turn with the median step time. */
async function profiles(programs: readonly Program[], spec: OwnSpec): Promise<Profile[]> {
  const workers: WorkerProcess[] = [];
  try {
    for (const program of programs) workers.push((await startWorker({ program, spec })).worker);
    const turns: Profile[][] = workers.map(() => []);
    for (let turn = 0; turn < TURNS; turn++)
      for (const [i, worker] of workers.entries())
        turns[i]?.push(await worker.ask({ command: "profile", count: STEPS }));
    return turns.map((ofOne) => [...ofOne].sort((a, b) => a.seconds - b.seconds)[Math.floor(TURNS / 2)] as Profile);
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

async function limitOf(spec: OwnSpec): Promise<number> {
  const { worker } = await startWorker({ program: ownWorker(), spec: { ...spec, task: "limit" } });
  try {
    return median((await worker.ask({ command: "run", count: 5 })).seconds) * 1000;
  } finally {
    await worker.end();
  }
}

const tell = (text: string) => process.stderr.write(`${text}\n`);
const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
const model = await randomModel(await peers(scratch, tell), join(scratch, "roberta"));
const builds = { before: await workerOf(values.before), now: ownWorker() };

const specOf = (choice: MethodChoice) =>
  stepOf(choice, { model, rank: 8, threads: facts.cores, shape: { rows: 16, length: 64 } });

const breakdowns: Breakdown[] = [];
for (const [method, choice] of Object.entries(METHOD_CHOICES)) {
  const [before, now] = (await profiles(Object.values(builds), specOf(choice))) as [Profile, Profile];
  for (const [build, { kernels, seconds }] of [
    ["before", before],
    ["now", now],
  ] as const) {
    tell(`${method}, ${build}: ${(seconds * 1000).toFixed(0)} ms`);
    breakdowns.push({ method, build, parts: partsOf(kernels, seconds) });
  }
}
const limit = await limitOf(specOf({ method: "lora" }));
mkdirSync(values.output, { recursive: true });
writeFileSync(join(values.output, "breakdown.svg"), drawBreakdown(breakdowns, limit));
const numbers = { machine: facts, limitMilliseconds: limit, breakdowns };
writeFileSync(join(values.output, "breakdown.json"), `${JSON.stringify(numbers, undefined, 2)}\n`);
