import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { memoryOf } from "../../src/train/memory.js";

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
