import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunEvent, StepEvent } from "../../src/base/records/events.js";
import type { RunHandle } from "../../src/training/loop/observer.js";
import {
  crc32c,
  type TensorboardOptions,
  tensorboardWriter,
  tfRecord,
} from "../../src/training/observers/tensorboard.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { GOLDEN, readJson } from "../parity/goldenFiles.js";

const newFolder = temporaryFolders();
const REFERENCE = join(GOLDEN, "tensorboard");
const [FIRST, RESUMED] = ["events.out.tfevents.1764150000.bidora.1", "events.out.tfevents.1764150600.bidora.2"];
const EVENTS = readJson<Readonly<Record<"first" | "resumed", readonly RunEvent[]>>>(join(REFERENCE, "events.json"));
const RUNNING = {} as RunHandle;

const start = { event: "start", time: "2025-11-26T09:39:00.000Z" } as RunEvent;

/** A folder that does not exist yet, and what writes into it. */
function writer(settings: Partial<TensorboardOptions> = {}) {
  const folder = join(newFolder(), "run", "tensorboard");
  const options = { folder, from: 0, evaluated: "validation", isPrepared: () => true, ...settings } as const;
  return { folder: options.folder, tell: tensorboardWriter(options).on };
}

const files = (folder: string) => (existsSync(folder) ? readdirSync(folder).sort() : []);
const bytesOf = (folder: string, at: number) => readFileSync(join(folder, files(folder)[at]!));

test("files have the bytes of TensorBoard's own library; a resumed run's new file drops the steps that were lost", () => {
  const { folder, tell } = writer();
  for (const event of [start, ...EVENTS.first]) tell(event, RUNNING);
  expect(bytesOf(folder, 0)).toEqual(readFileSync(join(REFERENCE, FIRST!)));
  const again = writer({ folder, from: 2 });
  for (const event of [start, ...EVENTS.resumed]) again.tell(event, RUNNING);
  expect(files(folder)).toEqual(
    [1764150000, 1764150600].map((at) => `events.out.tfevents.${at}.bidora.${process.pid}`),
  );
  expect(bytesOf(folder, 1)).toEqual(readFileSync(join(REFERENCE, RESUMED!)));
});

test("TensorBoard reads the run's values, rounded to float32", () => {
  const curves = readJson<Record<string, [step: number, value: number, wallTime: number][]>>(
    join(REFERENCE, "curves.json"),
  );
  const kept = [...EVENTS.first.filter((event) => "step" in event && event.step! <= 2), ...EVENTS.resumed];
  const expected = new Map<string, [number, number, number][]>();
  for (const event of kept) {
    if (event.event !== "step" && event.event !== "evaluation") continue;
    const { loss, upperLoss, hypergradientNorm, learningRate } = event as StepEvent;
    const values =
      event.event === "step"
        ? Object.entries({ loss, upperLoss, hypergradientNorm, learningRate }).map(
            ([n, v]) => [`train/${n}`, v] as const,
          )
        : Object.entries(event.metrics).map(
            ([n, v]) => [n.startsWith("test_") ? n.replace("_", "/") : `validation/${n}`, v] as const,
          );
    for (const [tag, value] of values) {
      if (value === undefined) continue;
      const point = [event.step, Math.fround(value), Date.parse(event.time) / 1000] as [number, number, number];
      expected.set(tag, [...(expected.get(tag) ?? []), point]);
    }
  }
  expect(curves).toEqual(Object.fromEntries(expected));
});

test("metrics of holdout rows during training have their own tag, final metrics that of their split", () => {
  const { folder, tell } = writer({ evaluated: "holdout" });
  const evaluation = { event: "evaluation", time: start.time, phase: "train", step: 1 } as const;
  tell({ ...evaluation, metrics: { accuracy: 1 } }, RUNNING);
  tell({ ...evaluation, metrics: { f1: 1, holdout_f1: 1, test_f1: 1 } }, undefined);
  const tags = bytesOf(folder, 0)
    .toString("latin1")
    .match(/[a-z]+\/[a-zA-Z0-9]+/g);
  expect(tags).toEqual(["holdout/accuracy", "validation/f1", "holdout/f1", "test/f1"]);
});

test("nothing is written before the run's folder is prepared, and no event is lost", () => {
  let isPrepared = false;
  const { folder, tell } = writer({ isPrepared: () => isPrepared });
  const [one, ...more] = EVENTS.first as [RunEvent, ...RunEvent[]];
  tell(start, undefined);
  tell(one, RUNNING);
  expect(existsSync(folder)).toBe(false);
  isPrepared = true;
  for (const event of more) tell(event, RUNNING);
  const length = (bytes: Uint8Array) => bytes.length;
  expect(length(bytesOf(folder, 0))).toBe(length(readFileSync(join(REFERENCE, FIRST!))));
});

test("a run without a step writes no file", () => {
  const { folder, tell } = writer();
  tell(start, undefined);
  tell({ event: "error", time: start.time, code: "X", message: "x" }, undefined);
  expect(files(folder)).toEqual([]);
});

test("a new file sorts after existing ones, which do not change, whatever the clock says", () => {
  const { folder, tell } = writer();
  for (const event of EVENTS.first) tell(event, RUNNING);
  const before = bytesOf(folder, 0);
  writeFileSync(join(folder, "events.out.tfevents.1764159999.bidora.7"), "");
  for (const event of EVENTS.first) writer({ folder, from: 1 }).tell(event, RUNNING);
  const names = files(folder).map((name) => name.split(".")[3]);
  expect(names).toEqual([
    "1764150000",
    "1764159999",
    "1764160000",
    "1764160001",
    "1764160002",
    "1764160003",
    "1764160004",
  ]);
  expect(bytesOf(folder, 0)).toEqual(before);
});

test("checksums are CRC-32C as in RFC 3720", () => {
  const check = (bytes: readonly number[]) => crc32c(Uint8Array.from(bytes)).toString(16).padStart(8, "0");
  const upTo = Array.from({ length: 32 }, (_, at) => at);
  expect(check(Array(32).fill(0))).toBe("8a9136aa");
  expect(check(Array(32).fill(0xff))).toBe("62a8ab43");
  expect(check(upTo)).toBe("46dd794e");
  expect(check(upTo.toReversed())).toBe("113fdb5c");
  expect(check([...Buffer.from("123456789")])).toBe("e3069283");
  expect(tfRecord(new Uint8Array(0)).length).toBe(16);
});
