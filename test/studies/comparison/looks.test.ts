import { describe, expect, it } from "vitest";
import type { Phase, RunEvent } from "../../../src/base/records/events.js";
import { evaluationsIn } from "../../../src/studies/comparison/results/collectRuns.js";

/** Seconds since some moment as an event's time. */
const time = (seconds: number): string => new Date(1e12 + seconds * 1000).toISOString();

const start = (at: number) => ({ event: "start", time: time(at) }) as unknown as RunEvent;
const step = (phase: Phase, number: number, at: number) =>
  ({ event: "step", phase, step: number, seconds: 1, time: time(at) }) as unknown as RunEvent;
const look = (phase: Phase, number: number, at: number, accuracy: number): RunEvent => ({
  event: "evaluation",
  ...{ phase, step: number, time: time(at), metrics: { accuracy } },
});
const done = (at: number, seconds: number): RunEvent => ({
  event: "done",
  ...{ time: time(at), metrics: {}, seconds, peakMemoryBytes: 1 },
});

describe("intermediate evaluations of a run", () => {
  it("are timed from before the first step, evaluations included", () => {
    // The clock began two seconds before the start event.
    const events = [
      start(2),
      step("train", 1, 4),
      look("train", 1, 9, 0.5),
      step("train", 2, 10),
      look("train", 2, 15, 0.75),
      done(16, 16),
    ];
    expect(evaluationsIn(events)).toEqual([
      { accuracy: 0.5, step: 1, seconds: 9 },
      { accuracy: 0.75, step: 2, seconds: 15 },
    ]);
  });

  it("count in the retraining only, whose time includes the search", () => {
    const events = [
      start(0),
      step("search", 1, 5),
      look("search", 1, 6, 0.9),
      step("retrain", 2, 8),
      look("retrain", 2, 9, 0.8),
      done(10, 10),
    ];
    expect(evaluationsIn(events)).toEqual([{ accuracy: 0.8, step: 2, seconds: 9 }]);
  });

  it("count in a search without retraining", () => {
    const events = [start(0), step("search", 1, 5), look("search", 1, 6, 0.9), done(10, 10)];
    expect(evaluationsIn(events)).toEqual([{ accuracy: 0.9, step: 1, seconds: 6 }]);
  });

  it("of a resumed run are timed without the pauses between its sessions", () => {
    const events = [
      start(0),
      step("train", 1, 4),
      look("train", 1, 5, 0.1),
      start(1000),
      step("train", 2, 1003),
      look("train", 2, 1004, 0.2),
      start(2000),
      step("train", 3, 2001),
      look("train", 3, 2002, 0.3),
      done(2003, 3),
    ];
    expect(evaluationsIn(events).map(({ seconds }) => seconds)).toEqual([5, 9, 11]);
  });
});
