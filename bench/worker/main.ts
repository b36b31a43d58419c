// Our side of the benchmark, in a process of its own. Speaks the protocol of ../protocol.ts.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as torch from "../../src/torch/index.js";
import type { Facts, Memory, OwnSpec, Request, Timed } from "../protocol.js";
import { limit } from "./limit.js";
import { meter } from "./meter.js";
import { prediction } from "./prediction.js";
import { profile } from "./profile.js";
import { training } from "./training.js";
import type { Work } from "./work.js";

const TASKS = { train: training, predict: prediction, limit } as const;

let work: Work = () => {
  throw new Error("prepare comes first");
};

async function prepare(spec: OwnSpec): Promise<{ facts: Facts }> {
  torch.setThreads(spec.threads);
  const prepared = await TASKS[spec.task](spec);
  work = prepared.work;
  const { torchVersion, threads, onednnVersion, cpuCapability, mkl, openblas } = torch.engineFacts();
  return {
    facts: {
      libtorch: torchVersion,
      node: process.version,
      threads,
      onednn: onednnVersion,
      cpuCapability,
      blas: mkl ? "MKL" : openblas,
      ...prepared.facts,
    },
  };
}

async function run(count: number): Promise<Timed> {
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  for (let i = 0; i < count; i++) {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    await work();
    seconds.push((performance.now() - began) / 1000);
    const { user, system } = process.cpuUsage(cpu);
    cpuSeconds.push((user + system) / 1e6);
  }
  return { seconds, cpuSeconds };
}

function memory(): Memory {
  const status = readFileSync("/proc/self/status", "utf8");
  const mebibytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return { peakMiB: mebibytes("VmHWM"), residentMiB: mebibytes("VmRSS") };
}

async function answer(request: Request): Promise<object> {
  switch (request.command) {
    case "prepare":
      return prepare(request.spec as OwnSpec);
    case "run":
      return run(request.count);
    case "memory":
      return memory();
    case "meter":
      return meter(work, request.count);
    case "profile":
      return profile(work, request.count);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply: object;
  try {
    reply = { ok: true, ...(await answer(JSON.parse(line) as Request)) };
  } catch (error) {
    reply = { ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
