// How much memory this process may still use, on the machine and within its control groups.

import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { dirname, join } from "node:path";

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
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(read(join(proc, "meminfo")) ?? "")?.[1];
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
  const lines = (read(join(proc, "self", "cgroup")) ?? "").split("\n");
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
    const number = (name: string) => wholeNumber(read(join(top, at, name)));
    const [limit, used] = [number(names.limit), number(names.used)];
    if (limit !== undefined && used !== undefined) {
      const files = new RegExp(`^${names.files} (\\d+)$`, "m").exec(read(join(top, at, "memory.stat")) ?? "")?.[1];
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
function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
