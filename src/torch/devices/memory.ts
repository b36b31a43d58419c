// The memory of this process and of devices: what there is, what is free of it, and the peak.
import { writeFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { BidoraError, formatBytes } from "../../base/index.js";
import { readOrEmpty } from "../native/limits.js";
import { native } from "../native/native.js";

/** Memory of a device in bytes. */
export interface DeviceMemory {
  /** What libtorch has reserved on it at most, what it keeps for later tensors included. */
  readonly peak: number;
  /** What is free on it, for any program. */
  readonly free: number;
  readonly total: number;
}

/** The memory of a device; undefined for the CPU, for a device that was not used yet, and where libtorch does not say. */
export const deviceMemory = (device: string): DeviceMemory | undefined => native.deviceMemory(device) ?? undefined;

/** The memory that something is to be allocated in. */
interface Place {
  /** By default the CPU. */
  readonly device?: string | undefined;
  /** Free bytes, if fewer than there are in all. */
  readonly free?: number | undefined;
}

/**
 * Checks a size before allocating it.
 * @param what the subject of the error message @param advice what to do about it
 * @throws BidoraError `MEMORY` if the size exceeds the memory of the machine or the device, or what is free of it
 */
export function requireMemory(bytes: number, what: string, advice: string, { device = "cpu", free }: Place = {}): void {
  if (fitsInMemory(bytes, { device, free })) return;
  const limit = limitOf(device);
  const owner = device === "cpu" ? "this machine" : device;
  const has = bytes > limit ? `${owner} has ${formatBytes(limit)}` : `${formatBytes(free ?? limit)} are available`;
  throw new BidoraError("MEMORY", `${what} takes ${formatBytes(bytes)} of memory, but ${has}: ${advice}.`);
}

/** Whether a size is within the memory of the machine or the device, and what is free of it. */
export function fitsInMemory(bytes: number, { device = "cpu", free }: Place): boolean {
  const limit = limitOf(device);
  return bytes <= Math.min(limit, free ?? limit);
}

const limitOf = (device: string): number =>
  device === "cpu" ? memoryLimit() : (deviceMemory(device)?.total ?? Number.POSITIVE_INFINITY);

/** The memory available to this process: the machine's, or less in a container. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Memory, in bytes. */
export interface RunMemory {
  /** What can still be allocated. */
  free(): number;
  /** The peak so far. It never decreases. */
  peak(): number;
  /** Restarts the peak that `peakSinceRestart` reads; where the system refuses, it stays the peak so far. */
  restartPeak(): void;
  peakSinceRestart(): number;
}

/** The memory of a device. The process's, if libtorch does not say what it has reserved on the device. */
export function memoryOf(device: string): RunMemory {
  if (device === "cpu" || !deviceMemory(device)) return PROCESS;
  const known = memories.get(device) ?? withPeak(ofDevice(device));
  memories.set(device, known);
  return known;
}

/** By device: a peak is the process's, for all its runs. */
const memories = new Map<string, RunMemory>();

type Source = Omit<RunMemory, "peak">;

function withPeak(source: Source): RunMemory {
  let highest = 0;
  const peak = () => {
    highest = Math.max(highest, source.peakSinceRestart());
    return highest;
  };
  const restartPeak = () => {
    peak();
    source.restartPeak();
  };
  return { ...source, peak, restartPeak };
}

const ofDevice = (device: string): Source => ({
  free: () => deviceMemory(device)?.free ?? Number.POSITIVE_INFINITY,
  restartPeak: () => native.restartDevicePeak(device),
  peakSinceRestart: () => deviceMemory(device)?.peak ?? 0,
});

/**
 * The memory of this process. Its peak is `VmHWM` on Linux, of which two readings may differ by some pages, because Linux estimates a process's
 * memory from per-processor counters.
 */
const PROCESS = withPeak({
  free: availableMemory,
  restartPeak() {
    try {
      writeFileSync("/proc/self/clear_refs", "5");
    } catch {
      // Not Linux, or not allowed.
    }
  },
  peakSinceRestart() {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readOrEmpty("/proc/self/status"))?.[1];
    return 1024 * Number(kilobytes ?? process.resourceUsage().maxRSS);
  },
});

/** Where the kernel reports memory and control groups. */
interface MemoryPlaces {
  readonly proc: string;
  readonly cgroup: string;
}

const PLACES: MemoryPlaces = { proc: "/proc", cgroup: "/sys/fs/cgroup" };

/**
 * Bytes that this process can still allocate: what the machine reports as available, or less if a control group (a container)
 * has less left. Cached file pages count as free, since the kernel reclaims them; swap does not.
 */
export function availableMemory({ proc, cgroup }: MemoryPlaces = PLACES): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(readOrEmpty(join(proc, "meminfo")))?.[1];
  const machine = kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  return Math.max(0, Math.min(machine, ...groupsOf(proc).flatMap((group) => leftIn(group, cgroup))));
}

interface Group {
  readonly path: string;
  /** cgroup v1, which has a separate tree for memory. */
  readonly isVersion1: boolean;
}

/** The control groups that this process belongs to. */
function groupsOf(proc: string): Group[] {
  const lines = readOrEmpty(join(proc, "self", "cgroup")).split("\n");
  return lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || controllers === undefined) return [];
    const isVersion1 = controllers.split(",").includes("memory");
    return isVersion1 || controllers === "" ? [{ path, isVersion1 }] : [];
  });
}

/** The memory left in a group and in its ancestors, for each that has a limit. In a container the path may be the host's. */
function leftIn({ path, isVersion1 }: Group, root: string): number[] {
  const names = isVersion1 ? VERSION_1 : VERSION_2;
  const top = isVersion1 ? join(root, "memory") : root;
  const left: number[] = [];
  for (let at = path; ; at = dirname(at)) {
    const number = (name: string) => wholeNumber(readOrEmpty(join(top, at, name)));
    const [limit, used] = [number(names.limit), number(names.used)];
    if (limit !== undefined && used !== undefined) {
      const files = new RegExp(`^${names.files} (\\d+)$`, "m").exec(readOrEmpty(join(top, at, "memory.stat")))?.[1];
      left.push(limit - used + Number(files ?? 0));
    }
    if (at === "/") return left;
  }
}

const VERSION_2 = { limit: "memory.max", used: "memory.current", files: "inactive_file" };
const VERSION_1 = {
  limit: "memory.limit_in_bytes",
  used: "memory.usage_in_bytes",
  files: "total_inactive_file",
};

/** Undefined for a missing file and for "max". */
const wholeNumber = (text: string): number | undefined => (/^\d+\s*$/.test(text) ? Number(text) : undefined);
