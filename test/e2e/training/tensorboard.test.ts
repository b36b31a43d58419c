import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PbfReader } from "pbf";
import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { abortAfter, bidora, eventsIn, fresh, run, SMALL } from "../support.js";

const LOGGED = { ...SMALL, method: "lora", dtype: "float32", log: ["tensorboard"] } as const;

interface Read {
  wallTime: number;
  step: number;
  version?: string;
  scalars: Record<string, number>;
  isRestart?: boolean;
}

/** The events of a file, read by the fields' numbers. */
function readEvents(path: string): Read[] {
  const bytes = readFileSync(path);
  const found: Read[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    found.push(readEvent(bytes.subarray(at + 12, at + 12 + length)));
    at += length + 16;
  }
  return found;
}

function readEvent(bytes: Uint8Array): Read {
  const event: Read = { wallTime: 0, step: 0, scalars: {} };
  new PbfReader(bytes).readFields((tag, into: Read, pbf) => {
    if (tag === 1) into.wallTime = pbf.readDouble();
    if (tag === 2) into.step = pbf.readVarint();
    if (tag === 3) into.version = pbf.readString();
    if (tag === 5) pbf.readMessage((_, scalars, summary) => readValue(scalars, summary), into.scalars);
    if (tag === 7) pbf.readMessage((_, log, inner) => (log.isRestart = inner.readVarint() === 1), into);
  }, event);
  return event;
}

function readValue(scalars: Record<string, number>, summary: PbfReader): void {
  const value = summary.readMessage(
    (tag, one: { name: string; value: number }, pbf) => {
      if (tag === 1) one.name = pbf.readString();
      if (tag === 2) one.value = pbf.readFloat();
    },
    { name: "", value: Number.NaN },
  );
  scalars[value.name] = value.value;
}

const filesIn = (output: string): string[] =>
  readdirSync(join(output, "tensorboard"))
    .sort()
    .map((name) => join(output, "tensorboard", name));

/** The points of a curve after what restarts took back. */
function curve(output: string, tag: string): (readonly [step: number, value: number])[] {
  let points: (readonly [number, number])[] = [];
  for (const { step, scalars, isRestart } of filesIn(output).flatMap(readEvents)) {
    if (isRestart) points = points.filter(([earlier]) => earlier < step);
    const value = scalars[tag];
    if (value !== undefined) points.push([step, value]);
  }
  return points;
}

const loggedIn = (output: string, of: (event: RunEvent) => number | undefined) =>
  eventsIn(output).flatMap((event) => {
    const value = of(event);
    return value === undefined || !("step" in event) ? [] : [[event.step, Math.fround(value)] as const];
  });

test("TensorBoard curves of search and retraining hold the values of the run's log", async () => {
  const { output, metrics } = await run({
    ...LOGGED,
    ...{ method: "bidora", retrainSteps: 3, validation: SMALL.train, evalEvery: 2, test: SMALL.train },
  });
  for (const name of ["loss", "upperLoss", "hypergradientNorm", "learningRate"] as const) {
    const logged = loggedIn(output, (event) =>
      event.event === "step" ? (event as { readonly [key in typeof name]?: number })[name] : undefined,
    );
    expect(logged.length).toBeGreaterThan(3);
    expect(curve(output, `train/${name}`), name).toEqual(logged);
  }
  const logged = loggedIn(output, (event) => (event.event === "evaluation" ? event.metrics.accuracy : undefined));
  expect(curve(output, "validation/accuracy")).toEqual(logged);
  expect(curve(output, "test/accuracy")).toEqual([[7, Math.fround(metrics.test_accuracy!)]]);
  expect(readFileSync(join(output, "run.yaml"), "utf8")).toMatch(/^log:\n {2}- tensorboard$/m);
  const [first] = filesIn(output).map(readEvents);
  expect(first![0]).toMatchObject({ version: "brain.Event:2" });
  const times = eventsIn(output).flatMap((event) => (event.event === "step" ? Date.parse(event.time) / 1000 : []));
  expect(first!.filter(({ scalars }) => "train/loss" in scalars).map(({ wallTime }) => wallTime)).toEqual(times);
});

test("a resumed run writes a second event file, and the curves match its log", async () => {
  const output = fresh();
  const settings = { ...LOGGED, maxSteps: 8, saveEvery: 3, output };
  await run(settings, abortAfter(5));
  const cut = readFileSync(filesIn(output)[0]!);
  await run({ ...settings, resume: true });
  expect(readFileSync(filesIn(output)[0]!)).toEqual(cut);
  expect(filesIn(output)).toHaveLength(2);
  const [, restart] = readEvents(filesIn(output)[1]!);
  expect(restart).toMatchObject({ isRestart: true, step: 6 });
  const logged = loggedIn(output, (event) => (event.event === "step" ? event.loss : undefined));
  expect(logged.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(curve(output, "train/loss")).toEqual(logged);
});

test("a run may be resumed with TensorBoard logging switched on or off", async () => {
  const output = fresh();
  const settings = { ...SMALL, method: "lora", maxSteps: 4, saveEvery: 1, output } as const;
  await run(settings, abortAfter(2));
  expect(existsSync(join(output, "tensorboard"))).toBe(false);
  await run({ ...settings, log: ["tensorboard"], resume: true }, abortAfter(3));
  await run({ ...settings, resume: true });
  expect(curve(output, "train/loss").map(([step]) => step)).toEqual([3]);
});

test("--overwrite removes the TensorBoard folder with the run; a folder with other files stays and is named in the error", async () => {
  const output = fresh();
  const folder = join(output, "tensorboard");
  await run({ ...LOGGED, output });
  await run({ ...SMALL, method: "lora", output, overwrite: true });
  expect(existsSync(folder)).toBe(false);
  mkdirSync(folder);
  writeFileSync(join(folder, "events.out.tfevents.1764150000.host.1.0"), "");
  await expect(run({ ...LOGGED, output, overwrite: true })).rejects.toThrow(/tensorboard in it is not bidora's/);
});

test("an unknown --log value is refused with the right one", async () => {
  const { status, stderr } = await bidora(
    "finetune",
    "--model",
    SMALL.model,
    "--train",
    SMALL.train,
    "--log",
    "tensorbord",
  );
  expect([status, stderr]).toEqual([2, expect.stringMatching(/^bidora: --log takes tensorboard; got "tensorbord"\./)]);
});
