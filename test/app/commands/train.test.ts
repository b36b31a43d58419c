// train() gives the events of the run that finetune() does.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventStream } from "../../../src/app/commands/eventStream.js";
import { finetune, train } from "../../../src/app/commands/finetune.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { GOLDEN } from "../../parity/goldenFiles.js";

const newFolder = temporaryFolders();
const settings = () =>
  ({
    model: join(GOLDEN, "bert", "single"),
    train: join(GOLDEN, "rows", "train.jsonl"),
    method: "lora",
    maxSteps: 4,
    batchSize: 4,
    dtype: "float32",
    output: join(newFolder(), "run"),
  }) as const;

function logged(folder: string): RunEvent[] {
  const path = join(folder, "events.jsonl");
  const lines = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  return lines.map((line) => JSON.parse(line) as RunEvent);
}
const weights = (folder: string): Buffer => readFileSync(join(folder, "adapter_model.safetensors"));

test("the events are those of events.jsonl, and the result is that of finetune", async () => {
  const own = settings();
  const run = train(own);
  const events: RunEvent[] = [];
  let next = await run.next();
  for (; !next.done; next = await run.next()) events.push(next.value);
  expect(events).toEqual(logged(own.output));
  expect(events.map(({ event }) => event)).toEqual(["start", "step", "step", "step", "step", "done"]);
  const other = settings();
  const result = await finetune(other);
  expect(next.value).toEqual({ ...result, output: own.output });
  expect(weights(own.output)).toEqual(weights(other.output));
});

test("the run waits while an event is handled", async () => {
  const own = settings();
  for await (const event of train(own)) {
    const before = logged(own.output);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(logged(own.output)).toEqual(before);
    if (event.event !== "start") expect(before.at(-1)).toEqual(event);
  }
});

test("leaving the loop saves a checkpoint, from which the run ends with the same bits", async () => {
  const own = settings();
  for await (const event of train(own)) if (event.event === "step" && event.step === 2) break;
  expect(existsSync(join(own.output, "checkpoint-2"))).toBe(true);
  expect(existsSync(join(own.output, "metrics.json"))).toBe(false);
  const steps: number[] = [];
  for await (const event of train({ ...own, resume: true })) if (event.event === "step") steps.push(event.step);
  expect(steps).toEqual([3, 4]);
  const whole = settings();
  await finetune(whole);
  expect(weights(own.output)).toEqual(weights(whole.output));
});

test("leaving before the first step leaves nothing, and the folder is free again", async () => {
  const own = settings();
  for await (const _ of train(own)) break;
  expect(existsSync(own.output)).toBe(false);
  expect((await finetune(own)).isStopped).toBe(false);
});

test("an error in the loop stops the run and is thrown; so is a signal's stop", async () => {
  const own = settings();
  const failure = new Error("enough");
  const failing = async () => {
    for await (const { event } of train(own)) if (event === "step") throw failure;
  };
  await expect(failing()).rejects.toBe(failure);
  expect(existsSync(join(own.output, "checkpoint-1"))).toBe(true);
  const stopping = new AbortController();
  const other = settings();
  const run = train(other, { signal: stopping.signal });
  let next = await run.next();
  for (; !next.done; next = await run.next()) if (next.value.event === "step") stopping.abort();
  expect(next.value).toMatchObject({ isStopped: true });
});

test("a signal after the last event does not make a finished run a stopped one", async () => {
  const stopping = new AbortController();
  const own = settings();
  const run = train(own, { signal: stopping.signal });
  let next = await run.next();
  for (; !next.done; next = await run.next()) if (next.value.event === "done") stopping.abort();
  expect(existsSync(join(own.output, "metrics.json"))).toBe(true);
  expect(next.value).toMatchObject({ isStopped: false });
});

test("errors are thrown: before the first event, and in training after its error event", async () => {
  await expect(train({ ...settings(), model: "/nowhere/at all" }).next()).rejects.toThrow(/^There is no folder/);
  const seen: string[] = [];
  const failing = async () => {
    for await (const { event } of train({ ...settings(), learningRate: 1e38, maxGradNorm: 1e38 })) seen.push(event);
  };
  await expect(failing()).rejects.toThrow(/^Step \d: \S+ is no longer finite/);
  expect(seen.at(-1)).toBe("error");
});

test("a hook's observers get the same events", async () => {
  const seen: RunEvent[] = [];
  const events: RunEvent[] = [];
  for await (const event of train(settings(), { observers: [(event) => seen.push(event)] })) events.push(event);
  expect(events).toEqual(seen);
});

test("events that come at once keep their order, and an error that comes after the reader left is thrown", async () => {
  const seen: number[] = [];
  for await (const n of eventStream<number, void>(async (emit) => void (await Promise.all([1, 2, 3].map(emit)))))
    seen.push(n);
  expect(seen).toEqual([1, 2, 3]);
  const leaving = async () => {
    for await (const _ of eventStream<number, void>(async (emit) => {
      await emit(1);
      throw new Error("while saving");
    }))
      break;
  };
  await expect(leaving()).rejects.toThrow("while saving");
});
