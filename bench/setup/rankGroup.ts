// Ranks of one run: processes that are started together, and timed by the steps that rank 0 prints.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { freePort } from "../../src/app/launcher/launch.js";
import { type Clock, median } from "../turns/compare.js";
import type { Program } from "../turns/workerProcess.js";

/** Steps that are not timed: the first ones allocate memory. */
const WARM_UPS = 2;
/** The kernel's clock ticks per second. */
const TICKS = 100;

/** What a step takes. */
export interface StepUse {
  /** Of the clock, or of processor time, the mean over the ranks. */
  readonly seconds: number;
  /** What a rank sends to the others. */
  readonly bytes: number;
}

/** Starts ranks of a program, and ends them after some steps. */
export async function useOfStep(
  { command, args }: Program,
  ranks: number,
  { steps, clock }: { readonly steps: number; readonly clock: Clock },
): Promise<StepUse> {
  const port = await freePort();
  const children = Array.from({ length: ranks }, (_, rank) =>
    spawn(command, args, { env: environment(rank, ranks, port), stdio: ["ignore", "pipe", "pipe"] }),
  );
  const errors: string[] = [];
  for (const { stderr } of children) stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const ended = children.map((child) => new Promise((resolve) => child.once("close", resolve)));
  for (const { stdout } of children.slice(1)) stdout.resume();
  try {
    const times: number[] = [];
    const sent: number[] = [];
    for await (const line of createInterface({ input: (children[0] as (typeof children)[0]).stdout })) {
      if (!line.includes('"event":"step"')) continue;
      times.push(clock === "wall" ? performance.now() / 1000 : processorSeconds(children));
      sent.push(sentBytes() / ranks);
      if (times.length > WARM_UPS + steps) return { seconds: typical(times), bytes: typical(sent) };
    }
    throw new Error(`${command} ${args.join(" ")} ended too early: ${errors.join("").slice(-2000)}`);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(ended);
  }
}

/** The median of what is added from step to step. */
const typical = (totals: readonly number[]): number =>
  median(totals.slice(WARM_UPS + 1).map((total, i) => total - (totals[i + WARM_UPS] as number)));

/** What all processes of this machine have sent to each other, with the headers of packets. */
const sentBytes = (): number => Number(readFileSync("/sys/class/net/lo/statistics/tx_bytes", "utf8"));

function environment(rank: number, size: number, port: number): NodeJS.ProcessEnv {
  const own = { OMP_NUM_THREADS: 1, MKL_NUM_THREADS: 1, RANK: rank, WORLD_SIZE: size, LOCAL_RANK: rank };
  const all = { ...own, LOCAL_WORLD_SIZE: size, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
  return { ...process.env, ...Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)])) };
}

/** User and system time of all processes so far, divided by their number. */
function processorSeconds(children: readonly ChildProcess[]): number {
  const ticks = children.map(({ pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") as string[];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, own) => sum + own, 0) / TICKS / children.length;
}
