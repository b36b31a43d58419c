// What commands say about the next run: asked once, and again when what they depend on changes.
import { expect, test } from "vitest";
import type { Commands } from "../../../src/app/studio/commands.js";
import { type Finding, Findings } from "../../../src/app/studio/model/findings.js";
import { Works } from "../../../src/app/studio/works.js";

/** A command that ends when told to. */
function deferred() {
  const started: { words: readonly string[]; end(value: unknown): void; fail(message: string): void }[] = [];
  const run = (words: readonly string[], signal: AbortSignal) =>
    new Promise<unknown[]>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      started.push({ words, end: (value) => resolve([value]), fail: (message) => reject(new Error(message)) });
    });
  const works = new Works(() => {});
  const findings = new Findings({ run } as unknown as Commands, works);
  const ask = (key: string, keyNow = () => key): Finding =>
    findings.ask({ name: "estimate", title: "Estimate", key, keyNow, words: ["estimate", key] });
  return { started, works, findings, ask };
}

const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
};

test("a command is asked once for the same settings", async () => {
  const { started, works, ask } = deferred();
  expect(ask("rank 8")).toEqual({ state: "running" });
  await until(() => started.length === 1);
  expect(ask("rank 8")).toEqual({ state: "running" });
  expect(works.isRunning("estimate")).toBe(true);
  started[0]!.end(42);
  await until(() => ask("rank 8").state === "done");
  expect(ask("rank 8")).toEqual({ state: "done", values: [42] });
  expect(started).toHaveLength(1);
});

test("other settings stop the command, and settings that come back have their answer", async () => {
  const { started, ask } = deferred();
  ask("rank 8");
  await until(() => started.length === 1);
  ask("rank 16");
  await until(() => started.length === 2);
  started[0]!.end("too late");
  started[1]!.end(16);
  await until(() => ask("rank 16").state === "done");
  ask("rank 8");
  await until(() => started.length === 3);
  started[2]!.end(8);
  await until(() => ask("rank 8").state === "done");
  expect(ask("rank 16")).toEqual({ state: "done", values: [16] });
  expect(ask("rank 8")).toEqual({ state: "done", values: [8] });
  expect(started.map(({ words }) => words[1])).toEqual(["rank 8", "rank 16", "rank 8"]);
});

test("of settings that change several times in a row, only the last are asked for", async () => {
  const { started, ask } = deferred();
  for (const key of ["1", "2", "3"]) ask(key);
  await until(() => started.length === 1);
  expect(started[0]!.words).toEqual(["estimate", "3"]);
});

test("a failure and a stop are told, and can be asked again", async () => {
  const { started, works, findings, ask } = deferred();
  ask("a");
  await until(() => started.length === 1);
  started[0]!.fail("The batch is too large.");
  await until(() => ask("a").state === "failed");
  expect(ask("a")).toEqual({ state: "failed", message: "The batch is too large." });
  findings.again("estimate");
  expect(ask("a")).toEqual({ state: "running" });
  await until(() => started.length === 2);
  works.stop("estimate");
  await until(() => ask("a").state === "stopped");
  findings.again("estimate");
  ask("a");
  await until(() => started.length === 3);
});

test("while a run trains nothing is asked: what is known is told, and a command that runs is stopped", async () => {
  const { started, works, findings, ask } = deferred();
  ask("a");
  await until(() => started.length === 1);
  started[0]!.end(1);
  await until(() => ask("a").state === "done");
  ask("b");
  await until(() => started.length === 2);
  expect(findings.known({ name: "estimate", key: "b" })).toBeUndefined();
  expect(findings.known({ name: "estimate", key: "a" })).toEqual({ state: "done", values: [1] });
  expect(ask("b")).toEqual({ state: "running" });
  await until(() => started.length === 3);
  expect(works.isRunning("estimate")).toBe(true);
  started[2]!.end(2);
  await until(() => ask("b").state === "done");
});

test("an answer is kept only if what it depends on is as it was when it was asked", async () => {
  const { started, works, ask } = deferred();
  let now = "a";
  const askNow = () => ask(now, () => now);
  askNow();
  await until(() => started.length === 1);
  now = "b";
  started[0]!.end("read b, or half of it");
  await until(() => !works.isRunning("estimate"));
  expect(works.get("estimate")).toBeUndefined();
  now = "a";
  expect(askNow()).toEqual({ state: "running" });
  await until(() => started.length === 2);
  now = "b";
  started[1]!.fail("There is no b.");
  await until(() => !works.isRunning("estimate"));
  now = "a";
  expect(askNow()).toEqual({ state: "running" });
  await until(() => started.length === 3);
  started[2]!.end("a");
  await until(() => askNow().state === "done");
  expect(askNow()).toEqual({ state: "done", values: ["a"] });
});
