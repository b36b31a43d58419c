import { expect, test } from "vitest";
import { clock, createProgress } from "../../../src/app/cli/progress.js";
import type { Phase, RunEvent } from "../../../src/base/records/events.js";

const time = "2026-01-01T00:00:00.000Z";

const start = (steps: Partial<Record<Phase, number>>): RunEvent =>
  ({
    event: "start",
    time,
    versions: { bidora: "0", node: "0", libtorch: "0" },
    machine: {
      system: "",
      processor: "",
      cores: 2,
      threads: 2,
      memoryBytes: 0,
      device: "cpu",
      blas: "",
      fastBfloat16: true,
    },
    settings: {},
    parameters: { total: 1000, trained: 10 },
    steps,
  }) as RunEvent;

const step = (phase: Phase, number: number, seconds = 2): RunEvent => ({
  event: "step",
  time,
  phase,
  step: number,
  loss: 0.5,
  learningRate: 1,
  seconds,
  rows: 8,
  tokens: 80,
});

/** What the observer writes for these events, each `seconds` after the one before. */
function written(events: readonly RunEvent[], { isTTY = false, seconds = 2 } = {}): string {
  let text = "";
  let now = 0;
  const observe = createProgress({ isTTY, columns: 100, write: (part) => (text += part) }, () => now);
  for (const event of events) {
    observe(event);
    now += seconds;
  }
  return text;
}

test("lines: the first, the last, and one every five seconds", () => {
  const events = [start({ train: 8 }), ...Array.from({ length: 8 }, (_, i) => step("train", i + 1))];
  const lines = written(events).trim().split("\n");
  expect(lines[0]).toContain("10 of 1,000 parameters (1.00 %)");
  expect(lines.slice(1).map((line) => line.split("  ")[0])).toEqual([
    "train 1/8",
    "train 4/8",
    "train 7/8",
    "train 8/8",
  ]);
  expect(lines[1]).toBe("train 1/8  loss 0.5000  4 rows/s  0:14 left");
  expect(lines.at(-1)).toBe("train 8/8  loss 0.5000  4 rows/s");
});

test("the retrain phase counts from 1 and starts new running means", () => {
  const lines = written([start({ search: 3, retrain: 2 }), step("search", 3, 4), step("retrain", 4, 1)], {
    seconds: 9,
  });
  expect(lines).toContain("search 3/3");
  expect(lines).toContain("retrain 1/2  loss 0.5000  8 rows/s  0:01 left");
});

test.each([true, false])(
  "events between steps have the count of the steps, on a terminal (%s) and elsewhere",
  (isTTY) => {
    const shown = written(
      [
        start({ search: 90, retrain: 120 }),
        step("search", 59),
        step("search", 60),
        { event: "evaluation", time, phase: "search", step: 60, metrics: { accuracy: 0.5 } },
        step("retrain", 61),
        step("retrain", 90),
        { event: "evaluation", time, phase: "retrain", step: 90, metrics: { accuracy: 0.5 } },
        { event: "checkpoint", time, phase: "retrain", step: 90, path: "run/checkpoint-90" },
        step("retrain", 91),
      ],
      { isTTY, seconds: 9 },
    );
    for (const count of [
      "search 60/90  loss",
      "search 60  evaluation",
      "retrain 1/120  loss",
      "retrain 30/120  loss",
      "retrain 30  evaluation",
      "retrain 30  saved run/checkpoint-90",
      "retrain 31/120  loss",
    ])
      expect(shown).toContain(count);
    expect(shown).not.toMatch(/retrain (90|-)/);
  },
);

test("a run resumed in its retrain phase does not count the steps of the search", () => {
  expect(written([start({ search: 40, retrain: 50 }), step("retrain", 46)])).toContain("retrain 6/50");
  const event: RunEvent = { event: "evaluation", time, phase: "retrain", step: 90, metrics: { accuracy: 1 } };
  expect(written([start({ search: 40, retrain: 50 }), event])).toContain("retrain 50  evaluation");
});

test("a resumed run continues to count", () => {
  expect(written([start({ train: 10 }), step("train", 6)])).toContain("train 6/10  loss 0.5000  4 rows/s  0:08 left");
});

test("on a terminal one line is redrawn, with notes above it", () => {
  const text = written(
    [
      start({ train: 2 }),
      step("train", 1),
      { event: "evaluation", time, phase: "train", step: 1, metrics: { accuracy: 0.75 } },
      step("train", 2),
      { event: "done", time, metrics: {}, seconds: 1, peakMemoryBytes: 1 },
    ],
    { isTTY: true },
  );
  const screen: string[] = [];
  for (const line of text.split("\n")) screen.push(line.split("\r\u001b[K").at(-1) ?? "");
  expect(screen).toEqual([
    expect.stringContaining("Training 10"),
    "train 1  evaluation  accuracy 0.7500",
    `${"█".repeat(24)} train 2/2  loss 0.5000  4 rows/s`,
    "",
  ]);
});

test("clock", () => {
  expect([0, 65, 3599.6, 7384].map(clock)).toEqual(["0:00", "1:05", "1:00:00", "2:03:04"]);
});

test("consecutive runs each count from their own start", () => {
  const shown = written(
    [
      start({ train: 120 }),
      step("train", 120),
      start({ search: 60, retrain: 120 }),
      step("search", 1),
      step("search", 60),
      step("retrain", 61),
      start({ train: 3 }),
      step("train", 1),
    ],
    { seconds: 9 },
  );
  for (const count of ["search 1/60", "search 60/60", "retrain 1/120", "train 1/3"]) expect(shown).toContain(count);
});
