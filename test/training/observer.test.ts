import { expect, test } from "vitest";
import type { RunEvent } from "../../src/base/records/events.js";
import { notify } from "../../src/training/loop/loop.js";
import { inOrder, type RunObserver, STAGES } from "../../src/training/loop/observer.js";

test("observers receive events by stage, whatever the order of the object's keys", async () => {
  const calls: string[] = [];
  const observer = (name: string): RunObserver => ({ on: () => void calls.push(name) });
  const staged = Object.fromEntries(STAGES.toReversed().map((stage) => [stage, [observer(stage)]]));
  const observers = inOrder({ ...(staged as Record<(typeof STAGES)[number], RunObserver[]>) });
  await notify(observers, { event: "done", metrics: {}, seconds: 1, peakMemoryBytes: 1 } as Omit<
    RunEvent,
    "time"
  > as never);
  expect(calls).toEqual(["record", "follow", "measure", "judge", "save", "keep"]);
});
