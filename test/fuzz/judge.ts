// What is wrong with how bidora takes an input.
import { readdirSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { BidoraError } from "../../src/base/errors.js";
import { liveHandles } from "../../src/torch/index.js";
import { collectGarbage } from "../formats/garbage.js";

/** The most that one input may take: seconds of the processor, as the machine may be busy, and memory. */
const LIMITS = { seconds: 10, bytes: 2 ** 30 } as const;

/** The longest message: one that a user reads. */
const MOST_CHARACTERS = 2000;

/** Words of JavaScript's engine, which say nothing about the input. A quoted NaN is one of YAML's keys. */
const INTERNAL =
  /Cannot (read|set) propert|Cannot (destructure|convert|mix|access|assign)|is not (a function|iterable|a constructor|defined)|undefined|\[object |(?<!")NaN\b|Maximum call stack|Invalid (array|typed array|string) length|Reduce of empty|ERR_|Promise|INTERNAL ASSERT|Exception raised/;

/** What is wrong with an error; undefined for one that a user understands. */
function faultOfError(error: unknown): string | undefined {
  if (!(error instanceof BidoraError))
    return `not a BidoraError: ${error instanceof Error ? error.stack : String(error)}`;
  return faultOfMessage(error.message);
}

export function faultOfMessage(message: string): string | undefined {
  if (message.trim() === "") return "a message without words";
  if (message.includes("\n")) return `a message of several lines: ${message}`;
  if (message.length > MOST_CHARACTERS) return `a message of ${message.length} characters: ${message.slice(0, 300)}`;
  // Jinja has a value of that name.
  const words = /chat template/.test(message) ? message.replaceAll("undefined", "") : message;
  return INTERNAL.test(words) ? `a message of the engine: ${message}` : undefined;
}

const openFiles = (): number => readdirSync("/proc/self/fd").length;

/** Handles and files that stay open after garbage has been collected. */
async function leftovers(handlesBefore: number, filesBefore: number): Promise<string | undefined> {
  for (let i = 0; i < 4 && (liveHandles() > handlesBefore || openFiles() > filesBefore); i++) {
    collectGarbage();
    await turn();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const [handles, files] = [liveHandles() - handlesBefore, openFiles() - filesBefore];
  if (handles > 0) return `${handles} live tensors are left over`;
  return files > 0 ? `${files} open files are left over` : undefined;
}

/** The most memory that the process has had. */
const peakBytes = (): number => process.resourceUsage().maxRSS * 1024;

/** Runs one input. @returns what is wrong, or undefined if it gives a result or one good error, within the limits */
export async function faultOf(run: () => unknown): Promise<string | undefined> {
  const first = await faultOfRun(run);
  // What is opened once, such as a library, is not a leak.
  return first instanceof Leftovers ? String((await faultOfRun(run)) ?? "") || undefined : first;
}

/** What an input leaves open. */
class Leftovers {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

async function faultOfRun(run: () => unknown): Promise<string | Leftovers | undefined> {
  const [handles, files, peak, start] = [liveHandles(), openFiles(), peakBytes(), process.cpuUsage()];
  let fault: string | undefined;
  try {
    await run();
  } catch (error) {
    fault = faultOfError(error);
  }
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  if (fault !== undefined) return fault;
  if (seconds > LIMITS.seconds) return `it takes more than ${LIMITS.seconds} s`;
  if (peakBytes() - peak > LIMITS.bytes) return `it takes ${Math.round((peakBytes() - peak) / 2 ** 20)} MiB of memory`;
  const left = await leftovers(handles, files);
  return left === undefined ? undefined : new Leftovers(left);
}

/** A fault without the values of the input: two faults with one signature have one cause. */
export const signatureOf = (fault: string): string =>
  fault
    .split("\n")
    .slice(0, 3)
    .join("\n")
    .replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '""')
    .replace(/\d+/g, "0")
    .slice(0, 300);
