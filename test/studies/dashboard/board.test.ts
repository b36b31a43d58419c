import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { Board } from "../../../src/studies/dashboard/board.js";

const time = "2026-01-01T00:00:00Z";
const start = { event: "start", time, steps: { search: 4, retrain: 6 } } as unknown as RunEvent;
const step = (phase: "search" | "retrain", step: number, seconds: number): RunEvent => ({
  ...{ event: "step", time, phase, step, loss: 1 / step, learningRate: 1, seconds, rows: 1, tokens: 1 },
});

const running = (): Board => {
  const board = new Board();
  board.add(["a", "b"], "waiting");
  board.event("a", start);
  return board;
};

test("a run's progress follows its events", () => {
  const board = running();
  board.event("a", step("search", 1, 2));
  board.event("a", step("search", 2, 4));
  expect(board.run("a")).toMatchObject({ state: "running", phase: "search", step: 2, steps: 10, loss: 0.5 });
  expect(board.run("a")?.stepSeconds).toBeCloseTo(2.2, 12);
  expect(board.run("b")).toMatchObject({ state: "waiting", step: 0 });
});

test("each phase has its own seconds per step", () => {
  const board = running();
  board.event("a", step("search", 4, 100));
  board.event("a", step("retrain", 5, 3));
  expect(board.run("a")?.stepSeconds).toBe(3);
});

test("rows and tokens a second are means of the last steps of a phase", () => {
  const board = running();
  const timed = (phase: "search" | "retrain", at: number, seconds: number) =>
    board.event("a", { ...step(phase, at, seconds), rows: 8, tokens: 100 } as RunEvent);
  timed("search", 1, 2);
  timed("search", 2, 4);
  expect(board.run("a")?.rowsPerSecond).toBeCloseTo(4 + 0.1 * (2 - 4), 12);
  expect(board.run("a")?.tokensPerSecond).toBeCloseTo(50 + 0.1 * (25 - 50), 12);
  timed("retrain", 5, 1);
  expect(board.run("a")).toMatchObject({ rowsPerSecond: 8, tokensPerSecond: 100 });
});

test("a requested checkpoint is pending until it is saved", () => {
  const board = running();
  board.asked("a", "checkpoint");
  expect(board.run("a")).toMatchObject({ isSaving: true, state: "running" });
  board.event("a", { event: "checkpoint", time, phase: "search", step: 3, path: "x" });
  expect(board.run("a")).toMatchObject({ isSaving: false, saved: 3 });
});

test("only running runs accept requests", () => {
  const board = running();
  board.asked("b", "stop");
  board.asked("none", "stop");
  board.asked("a", "stop");
  expect(board.runs.map(({ state }) => state)).toEqual(["stopping", "waiting"]);
  board.ended("a", "stopped", "it was stopped");
  board.asked("a", "checkpoint");
  expect(board.run("a")).toMatchObject({ state: "stopped", isSaving: false, message: "it was stopped" });
});

test("the board reports every change", () => {
  const board = running();
  let changes = 0;
  board.onChange(() => changes++);
  board.event("a", step("search", 1, 1));
  board.ended("a", "failed", "out of memory");
  board.event("none", start);
  expect(changes).toBe(2);
});
