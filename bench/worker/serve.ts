import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Facts, Memory, Request, Timed } from "../turns/protocol.js";
import type { Prepared, Work } from "./work.js";

/** The memory of the card, where the work is done on one. */
type DeviceMemory = () => Memory | undefined;

type Prepare = (request: Extract<Request, { command: "prepare" }>) => Promise<Prepared>;

/** Answers to optional commands. */
type Further = { readonly [C in "meter" | "profile"]?: (work: Work, count: number) => Promise<object> };

/** Answers the requests of ../turns/protocol.ts from standard input until that closes. */
export async function serve(
  prepare: Prepare,
  further: Further = {},
  deviceMemory: DeviceMemory = () => undefined,
): Promise<void> {
  let work: Work = () => {
    throw new Error("prepare comes first");
  };
  const answer = async (request: Request): Promise<object> => {
    switch (request.command) {
      case "prepare": {
        const prepared = await prepare(request);
        work = prepared.work;
        return { facts: prepared.facts ?? {} } satisfies { facts: Facts };
      }
      case "run":
        return run(work, request.count);
      case "memory":
        return deviceMemory() ?? memory();
      default:
        return further[request.command]?.(work, request.count) ?? unknown(request.command);
    }
  };
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${await reply(line, answer)}\n`);
}

async function reply(line: string, answer: (request: Request) => Promise<object>): Promise<string> {
  try {
    return JSON.stringify({ ok: true, ...(await answer(JSON.parse(line) as Request)) });
  } catch (error) {
    return JSON.stringify({
      ok: false,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
}

function unknown(command: string): never {
  throw new Error(`This worker does not know the command ${command}.`);
}

async function run(work: Work, count: number): Promise<Timed> {
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
