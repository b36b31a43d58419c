import { readFileSync } from "node:fs";

const LEAST = 2 ** 29;
/** Caches keep a part of what is read again and again in the same order. */
const TIMES = 1.5;
const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes that the last-level cache does not hold, if they are read again and again in the same order. */
export const coldBytes = (): number => Math.max(LEAST, Math.ceil(TIMES * lastLevelCache()));

/** The size of the last-level cache in bytes; 0 if the system does not say. */
function lastLevelCache(): number {
  const sizes = [0, 1, 2, 3, 4].map((level) => cacheSize(`/sys/devices/system/cpu/cpu0/cache/index${level}/size`));
  return Math.max(...sizes);
}

function cacheSize(file: string): number {
  try {
    const [, count, unit] = /^(\d+)([KMG])$/.exec(readFileSync(file, "utf8").trim()) ?? [];
    return Number(count ?? 0) * (UNITS[unit ?? "K"] as number);
  } catch {
    return 0;
  }
}
