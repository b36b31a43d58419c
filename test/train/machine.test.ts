import { expect, test } from "vitest";
import { peakMemoryBytes, peakSinceRestart, restartPeak } from "../../src/train/machine.js";

test("resetting the peak of one part leaves the peak of the process as it was", () => {
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
