import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { availableMemory, memoryOf } from "../../src/torch/devices/memory.js";

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return { ...fs, readFileSync: vi.fn(fs.readFileSync) };
});

const memory = memoryOf("cpu");

afterEach(() => vi.mocked(readFileSync).mockReset());

test("resetting the peak does not change the peak of the process", () => {
  let held: Buffer | undefined = Buffer.alloc(2 ** 28, 1);
  const whole = memory.peak();
  expect(whole).toBeGreaterThan(held.length);
  held = undefined;
  memory.restartPeak();
  expect(memory.peak()).toBeGreaterThanOrEqual(whole);
  const since = memory.peakSinceRestart();
  expect(since).toBeGreaterThan(0);
  // What was held may be given back only now.
  const more = Buffer.alloc(2 ** 29, 1);
  expect(memory.peakSinceRestart() - since).toBeGreaterThan(0.3 * more.length);
  expect(memory.peak()).toBeGreaterThanOrEqual(whole);
});

const status = (kilobytes: number) => vi.mocked(readFileSync).mockReturnValue(`VmHWM:\t${kilobytes} kB\n`);

test("the peak of the process does not decrease if Linux reads some pages less than before", () => {
  const high = memory.peak() / 1024 + 2 ** 30;
  status(high);
  expect(memory.peak()).toBe(1024 * high);
  status(high - 104);
  expect(memory.peak()).toBe(1024 * high);
});

test("a peak before a reset counts for the process even if it was not read then", () => {
  const high = memory.peak() / 1024 + 2 ** 30;
  status(high);
  memory.restartPeak();
  status(high / 2);
  expect(memory.peak()).toBe(1024 * high);
});

const root = mkdtempSync(join(tmpdir(), "bidora-memory-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function places(files: Readonly<Record<string, string>>) {
  const folder = join(root, String(count++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return { proc: join(folder, "proc"), cgroup: join(folder, "cgroup") };
}

const MACHINE = {
  "proc/meminfo": "MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:   5000 kB\nSwapFree:  7000 kB\n",
};

test("available memory is what the machine reports, without swap", () => {
  expect(availableMemory(places(MACHINE))).toBe(5000 * 1024);
});

test("a control group or one of its ancestors can lower it; cached file pages count as free", () => {
  const groups = (inner: string, outer: string) => ({
    ...MACHINE,
    "proc/self/cgroup": "0::/outer/inner\n",
    "cgroup/outer/inner/memory.max": `${inner}\n`,
    "cgroup/outer/inner/memory.current": "300000\n",
    "cgroup/outer/inner/memory.stat": "anon 200000\ninactive_file 100000\n",
    "cgroup/outer/memory.max": `${outer}\n`,
    "cgroup/outer/memory.current": "400000\n",
  });
  expect(availableMemory(places(groups("1000000", "max")))).toBe(800_000);
  expect(availableMemory(places(groups("1000000", "900000")))).toBe(500_000);
  expect(availableMemory(places(groups("max", "max")))).toBe(5000 * 1024);
  expect(availableMemory(places(groups("100", "max")))).toBe(0);
});

test("cgroup v1 works, also in a container whose own group is the root", () => {
  const first = {
    ...MACHINE,
    "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
    "cgroup/memory/memory.limit_in_bytes": "600000\n",
    "cgroup/memory/memory.usage_in_bytes": "200000\n",
    "cgroup/memory/memory.stat": "total_inactive_file 50000\n",
  };
  expect(availableMemory(places(first))).toBe(450_000);
});

test("without /proc and control groups, it is the free memory that Node reports", () => {
  expect(availableMemory(places({}))).toBeGreaterThan(0);
});
