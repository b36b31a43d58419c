import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, sep } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { readRunLog, secondsOfEarlierSessions } from "../../../src/base/records/runLog.js";
import { sampleRun } from "../../studies/report/sampleRuns.js";

const events = sampleRun({ name: "any", method: "bidora", steps: 10 }).events;
const lines = events.map((event) => JSON.stringify(event));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-"));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (text: string) => writeFile(join(folder, "events.jsonl"), text);

describe("readRunLog", () => {
  it("reads a folder or its file, and names the run after the folder", async () => {
    await write(`${lines.join("\n")}\n`);
    const log = await readRunLog(folder);
    expect(log).toEqual({ name: basename(folder), place: folder.split(sep), events, isTorn: false });
    expect(await readRunLog(join(folder, "events.jsonl"))).toEqual(log);
  });

  it("leaves out an incomplete last line", async () => {
    const last = lines.at(-1)!;
    for (const length of [1, 10, last.length - 1]) {
      await write(`${lines.slice(0, -1).join("\n")}\n${last.slice(0, length)}`);
      expect(await readRunLog(folder)).toMatchObject({ events: events.slice(0, -1), isTorn: true });
    }
  });

  it("accepts a complete last line without newline", async () => {
    await write(lines.join("\n"));
    expect(await readRunLog(folder)).toMatchObject({ events, isTorn: false });
  });

  it("names an invalid line that is not the last", async () => {
    await write([...lines.slice(0, 3), '{"event":"st', ...lines.slice(3)].join("\n"));
    await expect(readRunLog(folder)).rejects.toThrow("line 4 is not one");
  });

  it("names an event without its required field", async () => {
    await write(`${lines[0]}\n{"event":"evaluation","phase":"train","step":3}\n`);
    await expect(readRunLog(folder)).rejects.toThrow("line 2 is not one");
  });

  it("ignores unknown events", async () => {
    await write(`${lines[0]}\n{"event":"toString"}\n{"event":"weather"}\n${lines[1]}`);
    expect((await readRunLog(folder)).events).toEqual(events.slice(0, 2));
  });

  it("counts repeated steps of a resumed run once, with their last values", async () => {
    const steps = events.filter((event) => event.event === "step");
    const again = steps.slice(4, 6).map((step) => ({ ...step, loss: 9 }));
    const log = [events[0], ...steps.slice(0, 7), events[0], ...again];
    await write(log.map((event) => JSON.stringify(event)).join("\n"));
    const read = (await readRunLog(folder)).events.flatMap((event) => (event.event === "step" ? event : []));
    expect(read.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(read.map(({ loss }) => loss === 9)).toEqual([false, false, false, false, true, true]);
  });

  it("says what is wrong with a missing and with an empty log", async () => {
    await expect(readRunLog(join(folder, "none"))).rejects.toMatchObject({ code: "RUN_LOG" });
    await expect(readRunLog(folder)).rejects.toThrow("can't be read");
    await write("\n");
    await expect(readRunLog(folder)).rejects.toThrow("but it has none");
  });
});

describe("secondsOfEarlierSessions", () => {
  const at = (event: string, seconds: number) =>
    ({ event, time: new Date(1e12 + 1000 * seconds).toISOString() }) as RunEvent;

  it("sums the sessions but the last; a session in which the clock was set back counts as none", () => {
    const sessions = [at("start", 0), at("step", 10), at("start", 50), at("step", 55), at("start", 60), at("step", 99)];
    expect(secondsOfEarlierSessions(sessions)).toBe(15);
    const setBack = [at("start", 0), at("step", 10), at("start", 50), at("step", -3600), at("start", 60)];
    expect(secondsOfEarlierSessions(setBack)).toBe(10);
  });
});
