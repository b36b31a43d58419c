import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** The processor's instruction set for bfloat16 matrix products. */
  readonly bfloat16: string;
  readonly loadAverage: number;
  /** Environment variables that were removed for all sides. */
  readonly unpinned: readonly string[];
}

export function machine(unpinned: readonly string[]): Machine {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  const bfloat16 = ["amx_bf16", "avx512_bf16"].filter((flag) => flags.split(" ").includes(flag));
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release()}`,
    bfloat16: bfloat16.join(", ") || "none",
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    unpinned,
  };
}
