// The memory that a run can run out of: the process's on the CPU, and that of the device elsewhere.
import { readFileSync, writeFileSync } from "node:fs";
import { availableMemory } from "../common/availableMemory.js";
import { deviceMemory, restartDevicePeak } from "../torch/devices.js";

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
  const known = memories.get(device) ?? new Memory(ofDevice(device));
  memories.set(device, known);
  return known;
}

/** By device: a peak is the process's, for all its runs. */
const memories = new Map<string, RunMemory>();

type Source = Omit<RunMemory, "peak">;

class Memory implements RunMemory {
  #highest = 0;

  constructor(private readonly source: Source) {}

  free(): number {
    return this.source.free();
  }

  peak(): number {
    this.#highest = Math.max(this.#highest, this.source.peakSinceRestart());
    return this.#highest;
  }

  restartPeak(): void {
    this.peak();
    this.source.restartPeak();
  }

  peakSinceRestart(): number {
    return this.source.peakSinceRestart();
  }
}

const ofDevice = (device: string): Source => ({
  free: () => deviceMemory(device)?.free ?? Number.POSITIVE_INFINITY,
  restartPeak: () => restartDevicePeak(device),
  peakSinceRestart: () => deviceMemory(device)?.peak ?? 0,
});

/**
 * The memory of this process. Its peak is `VmHWM` on Linux, of which two readings may differ by some pages, because Linux estimates a process's
 * memory from per-processor counters.
 */
const PROCESS = new Memory({
  free: availableMemory,
  restartPeak() {
    try {
      writeFileSync("/proc/self/clear_refs", "5");
    } catch {
      // Not Linux, or not allowed.
    }
  },
  peakSinceRestart() {
    try {
      const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"));
      if (found) return Number(found[1]) * 1024;
    } catch {
      // Not Linux.
    }
    return process.resourceUsage().maxRSS * 1024;
  },
});
