import { readFileSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { packageVersion } from "../common/program.js";
import type { MachineFacts, Versions } from "../files/events.js";
import * as torch from "../torch/index.js";

/** Facts about the machine that a run uses. */
export function machineFacts(): MachineFacts {
  const facts = torch.engineFacts();
  return {
    system: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    threads: facts.threads,
    memoryBytes: totalmem(),
    device: "cpu",
    blas: facts.mkl ? "MKL" : facts.openblas.split(" ").slice(0, 2).join(" ") || facts.blasLibrary,
    fastBfloat16: torch.hasFastBfloat16(),
  };
}

export function versions(): Versions {
  return { bidora: packageVersion(), node: process.versions.node, libtorch: torch.engineFacts().torchVersion };
}

/**
 * The peak memory of this process in bytes: `VmHWM` on Linux. It never decreases, although two readings of Linux may differ by some
 * pages, because Linux estimates a process's memory from per-processor counters.
 */
export function peakMemoryBytes(): number {
  highest = Math.max(highest, peakSinceRestart());
  return highest;
}

let highest = 0;

/** Resets the peak that `peakSinceRestart` reads; where the system refuses, it stays the peak since the process started. */
export function restartPeak(): void {
  peakMemoryBytes();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux, or not allowed.
  }
}

export function peakSinceRestart(): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (found) return Number(found[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
