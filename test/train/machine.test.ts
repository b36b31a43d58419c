import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { peakMemoryBytes, peakSinceRestart, restartPeak } from "../../src/train/machine.js";

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return { ...fs, readFileSync: vi.fn(fs.readFileSync) };
});

afterEach(() => vi.mocked(readFileSync).mockReset());

test("resetting the peak does not change the peak of the process", () => {
  let held: Buffer | undefined = Buffer.alloc(2 ** 28, 1);
  const whole = peakMemoryBytes();
  expect(whole).toBeGreaterThan(held.length);
  held = undefined;
  restartPeak();
  expect(peakMemoryBytes()).toBeGreaterThanOrEqual(whole);
  const since = peakSinceRestart();
  expect(since).toBeGreaterThan(0);
  // What was held may be given back only now.
  const more = Buffer.alloc(2 ** 29, 1);
  expect(peakSinceRestart() - since).toBeGreaterThan(0.3 * more.length);
  expect(peakMemoryBytes()).toBeGreaterThanOrEqual(whole);
});

const status = (kilobytes: number) => vi.mocked(readFileSync).mockReturnValue(`VmHWM:\t${kilobytes} kB\n`);

test("the peak of the process does not decrease if Linux reads some pages less than before", () => {
  const high = peakMemoryBytes() / 1024 + 2 ** 30;
  status(high);
  expect(peakMemoryBytes()).toBe(1024 * high);
  status(high - 104);
  expect(peakMemoryBytes()).toBe(1024 * high);
});

test("a peak before a reset counts for the process even if it was not read then", () => {
  const high = peakMemoryBytes() / 1024 + 2 ** 30;
  status(high);
  restartPeak();
  status(high / 2);
  expect(peakMemoryBytes()).toBe(1024 * high);
});
