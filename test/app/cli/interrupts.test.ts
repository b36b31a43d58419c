import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { watchInterrupts } from "../../../src/app/cli/interrupts.js";
import { createOutput } from "../../../src/app/cli/output.js";

afterEach(() => vi.restoreAllMocks());

test("the first signal asks to stop, one right after it counts as the same, and a later one exits with 130", () => {
  const exit = vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
  const now = vi.spyOn(performance, "now").mockReturnValue(1000);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const before = signals.map((signal) => process.listenerCount(signal));
  const interrupts = watchInterrupts(createOutput({ quiet: true }));
  process.emit("SIGHUP");
  expect(interrupts.signal.aborted).toBe(true);
  now.mockReturnValue(1290);
  process.emit("SIGINT");
  expect(exit).not.toHaveBeenCalled();
  now.mockReturnValue(1310);
  process.emit("SIGTERM");
  expect(exit).toHaveBeenCalledWith(130);
  interrupts.stop();
  expect(signals.map((signal) => process.listenerCount(signal))).toEqual(before);
});

describe("a process whose event loop is blocked", () => {
  /** Starts a script with the interrupts watched; resolves at its first output. */
  async function started(script: string) {
    const at = (path: string) => JSON.stringify(new URL(`../../../build/js/app/cli/${path}`, import.meta.url).href);
    const source = `
      import { writeSync } from "node:fs";
      const { watchInterrupts } = await import(${at("interrupts.js")});
      const { createOutput } = await import(${at("output.js")});
      const interrupts = watchInterrupts(createOutput({ quiet: true }));
      const block = (ms) => { writeSync(1, "blocks"); for (const end = Date.now() + ms; Date.now() < end; ); };
      ${script}`;
    const cwd = fileURLToPath(new URL("../../..", import.meta.url));
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], { cwd });
    await once(child.stdout, "data");
    return { child, ended: once(child, "exit") };
  }

  test.each([["SIGINT", "SIGINT"] as const, ["SIGTERM", "SIGINT"] as const, ["SIGHUP", "SIGHUP"] as const])(
    "%s, %s a moment later and again after a while: ends at once",
    async (first, second) => {
      const { child, ended } = await started("block(20_000)");
      child.kill(first);
      await wait(50);
      child.kill(second);
      await wait(500);
      expect([child.exitCode, child.signalCode]).toEqual([null, null]);
      child.kill(second);
      expect(await ended).toEqual([130, null]);
    },
  );

  test("a signal is handled when the event loop runs again, and listening can stop", async () => {
    const { child, ended } = await started(`
      block(200);
      setTimeout(() => {
        interrupts.stop();
        process.on("SIGINT", () => process.exit(7));
        writeSync(1, String(interrupts.signal.aborted));
        setInterval(() => {}, 1000);
      }, 500)`);
    child.kill("SIGINT");
    expect(String((await once(child.stdout, "data"))[0])).toBe("true");
    child.kill("SIGINT");
    expect(await ended).toEqual([7, null]);
  });
});
