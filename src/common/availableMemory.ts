import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { dirname, join } from "node:path";

/** Where the kernel tells of memory and of control groups. */
export interface MemoryPlaces {
  readonly proc: string;
  readonly cgroup: string;
}

const PLACES: MemoryPlaces = { proc: "/proc", cgroup: "/sys/fs/cgroup" };

/**
 * Bytes that this process may still take before something else has to make way: what the machine says is available, or less where
 * a control group (a container) leaves less. Pages of files, which are given back when asked for, count as free; swap does not.
 */
export function availableMemory({ proc, cgroup }: MemoryPlaces = PLACES): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(read(join(proc, "meminfo")) ?? "")?.[1];
  const machine = kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  return Math.max(0, Math.min(machine, ...groupsOf(proc).flatMap((group) => leftIn(group, cgroup))));
}

interface Group {
  readonly path: string;
  /** The first kind of control groups has a tree of its own for memory. */
  readonly isFirstKind: boolean;
}

/** The control groups that this process is in. */
function groupsOf(proc: string): Group[] {
  const lines = (read(join(proc, "self", "cgroup")) ?? "").split("\n");
  return lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || controllers === undefined) return [];
    const isFirstKind = controllers.split(",").includes("memory");
    return isFirstKind || controllers === "" ? [{ path, isFirstKind }] : [];
  });
}

/** What a group and those that it is in leave, each where it has a limit. In a container the path may be that of the host. */
function leftIn({ path, isFirstKind }: Group, root: string): number[] {
  const names = isFirstKind ? FIRST_KIND : SECOND_KIND;
  const top = isFirstKind ? join(root, "memory") : root;
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

const SECOND_KIND = { limit: "memory.max", used: "memory.current", files: "inactive_file" };
const FIRST_KIND = {
  limit: "memory.limit_in_bytes",
  used: "memory.usage_in_bytes",
  files: "total_inactive_file",
};

/** Undefined for a file that is not there, and for "max". */
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
