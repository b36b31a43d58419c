import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { holdFolder } from "../../../src/base/records/folderLock.js";
import { hasDiverged, missingRuns, runStateOf } from "../../../src/studies/comparison/results/collectRuns.js";
import { writtenRun } from "./writtenRun.js";

const work = mkdtempSync(join(tmpdir(), "bidora-missing-"));
afterAll(() => rmSync(work, { recursive: true }));
const output = join(work, "comparison");
const time = (seconds: number) => new Date(1e12 + seconds * 1000).toISOString();

const start = (at: number) => ({
  ...{ event: "start", time: time(at), versions: {}, machine: {}, settings: {}, parameters: {} },
});
const step = (number: number, at: number) => ({ event: "step", phase: "train", step: number, time: time(at) });
const error = (at: number): Extract<RunEvent, { event: "error" }> => ({
  ...{ event: "error", time: time(at), phase: "train", step: 1, code: "LOSS_NOT_FINITE" },
  message: "Step 2: The loss is not a number.\nand more",
});

let count = 0;
/** A run's folder with these events in its log. */
function begun(...events: readonly object[]): string {
  const folder = join(output, "t", "lora", `seed-${count++}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, ".bidora-run"), "");
  if (events.length > 0)
    writeFileSync(join(folder, "events.jsonl"), events.map((e) => `${JSON.stringify(e)}\n`).join(""));
  return folder;
}
const recordFailure = (folder: string, at: number) =>
  writeFileSync(
    join(output, "comparison-failed.json"),
    JSON.stringify({
      [folder.slice(output.length + 1)]: { reason: "its process was ended by SIGKILL", time: time(at) },
    }),
  );

describe("a comparison's run without results", () => {
  it("has failed if its log ends in an error, with the error's first line", async () => {
    const why = { code: "LOSS_NOT_FINITE", step: 1, reason: "Step 2: The loss is not a number." };
    const folder = begun(start(0), step(1, 1), error(2));
    expect(await runStateOf(output, folder)).toEqual({ state: "failed", ...why });
    // The process's own message adds nothing to that.
    recordFailure(folder, 3);
    expect(await runStateOf(output, folder)).toEqual({ state: "failed", ...why });
  });

  it("was stopped if its log just ends, also after an error from which it was resumed", async () => {
    expect(await runStateOf(output, begun(start(0), step(1, 1)))).toEqual({ state: "stopped" });
    expect(await runStateOf(output, begun(start(0), step(1, 1), error(2), start(3), step(2, 4)))).toEqual({
      state: "stopped",
    });
  });

  it("has failed if its process failed, unless it was resumed since", async () => {
    const killed = begun(start(0), step(1, 5));
    recordFailure(killed, 6);
    expect(await runStateOf(output, killed)).toEqual({ state: "failed", reason: "its process was ended by SIGKILL" });
    recordFailure(killed, 4);
    expect(await runStateOf(output, killed)).toEqual({ state: "stopped" });
    const never = join(output, "t", "lora", "seed-99");
    expect(await runStateOf(output, never)).toEqual({ state: "waiting" });
    recordFailure(never, 0);
    expect(await runStateOf(output, never)).toMatchObject({ state: "failed" });
  });

  it("is running while a process has locked its folder, whatever its log says", async () => {
    const folder = begun(start(0), step(1, 1), error(2));
    await holdFolder(folder, async () => expect(await runStateOf(output, folder)).toEqual({ state: "running" }));
  });

  it("is waiting if it is requested and has not begun; an earlier request does not count", async () => {
    const own = join(work, "other");
    mkdirSync(own);
    const names = ["t/lora/seed-0", "t/dora/seed-0", "u/lora/seed-0", "t/lora/grid/rank=4"];
    const plan = Object.fromEntries(names.map((name) => [name, { settings: {}, data: {} }]));
    writeFileSync(join(own, "comparison-plan.json"), JSON.stringify(plan));
    const asked = { tasks: ["t"], methods: ["lora"] };
    expect(await missingRuns(own, asked)).toEqual({
      failed: [],
      unfinished: [{ task: "t", method: "lora", seed: 0, state: "waiting" }],
    });
    expect(await missingRuns(own, { ...asked, seeds: [0] })).toEqual(await missingRuns(own, asked));
    // Seeds of an earlier call are not asked for any more, but those of this call are, planned or not.
    expect(await missingRuns(own, { ...asked, seeds: [1] })).toEqual({
      failed: [],
      unfinished: [{ task: "t", method: "lora", seed: 1, state: "missing" }],
    });
  });

  it("is missing, without a plan, if other methods of the task have its seed or if it is asked for", async () => {
    const own = join(work, "without-plan");
    const metrics = { accuracy: 0.5 };
    for (const seed of [0, 1, 2]) writtenRun(join(own, "t/lora", `seed-${seed}`), { metrics });
    writtenRun(join(own, "t/dora/seed-0"), { metrics });
    writtenRun(join(own, "t/dora/seed-1"));
    writtenRun(join(own, "t/full/grid/rank=4"), { metrics });
    writtenRun(join(own, "u/dora/seed-7"), { metrics });
    const missing = (task: string, method: string, seed: number, state = "missing") => ({ task, method, seed, state });
    const gaps = [missing("t", "dora", 1, "stopped"), missing("t", "dora", 2)];
    expect(await missingRuns(own, {})).toEqual({ failed: [], unfinished: gaps });
    const { unfinished } = await missingRuns(own, { tasks: ["t"], methods: ["lora", "vera"], seeds: [2, 3] });
    expect(unfinished).toEqual([
      ...[...gaps, missing("t", "dora", 3), missing("t", "lora", 3)],
      ...[0, 1, 2, 3].map((seed) => missing("t", "vera", seed)),
      ...[2, 3].map((seed) => missing("u", "dora", seed)),
      ...["lora", "vera"].flatMap((method) => [2, 3, 7].map((seed) => missing("u", method, seed))),
    ]);
  });
});

it("a run has diverged if a value became non-finite", () => {
  const codes = ["LOSS_NOT_FINITE", "STATE_NOT_FINITE", "NOT_FINITE", "OUT_OF_MEMORY", undefined];
  expect(codes.map((code) => hasDiverged({ code }))).toEqual([true, true, true, false, false]);
});
