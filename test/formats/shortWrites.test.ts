import { openSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  fillFolder,
  replaceFolderAtomic,
  writeAll,
  writeAtomic,
  writeFileAtomic,
} from "../../src/base/records/atomic.js";
import { openSafetensors, saveSafetensors, writeSafetensors } from "../../src/formats/safetensors/safetensors.js";
import * as torch from "../../src/torch/index.js";
import { runLogWriter } from "../../src/training/loop/observer.js";
import { bytesEntry } from "./bytesEntry.js";
import { temporaryFolders } from "./temporaryFolder.js";

/** How many bytes the system takes at once. */
const limit = vi.hoisted(() => ({ bytes: Number.POSITIVE_INFINITY }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const short = (fd: number, data: Uint8Array, at: number, length: number, position: number | null) =>
    fs.writeSync(fd, data, at, Math.min(length, limit.bytes), position);
  return { ...fs, writeSync: short };
});
afterEach(() => {
  limit.bytes = Number.POSITIVE_INFINITY;
});

const folder = temporaryFolders();
const full = (): number => openSync("/dev/full", "w");

describe("a system that takes fewer bytes than it is given", () => {
  it("gets the rest, in text and in tensors", () => {
    limit.bytes = 7;
    const where = folder();
    writeAtomic(join(where, "a"), (descriptor) => {
      for (const line of ["one line that is longer\n", "é\n"]) writeAll(descriptor, Buffer.from(line));
    });
    expect(readFileSync(join(where, "a"), "utf8")).toBe("one line that is longer\né\n");
    const path = join(where, "b.safetensors");
    writeSafetensors(path, [
      bytesEntry(
        "x",
        "U8",
        [20],
        Uint8Array.from({ length: 20 }, (_, i) => i),
      ),
    ]);
    const file = openSafetensors(path);
    expect(file.readTensor("x").toArray()).toEqual(Array.from({ length: 20 }, (_, i) => i));
    file.close();
  });

  it("is given up where it takes nothing", () => {
    limit.bytes = 0;
    const path = join(folder(), "a");
    const write = () => writeAtomic(path, (descriptor) => writeAll(descriptor, Buffer.from("text")));
    expect(write).toThrow(`${path} can't be written (ENOSPC): the disk is full; make room there`);
  });
});

describe("a full disk", () => {
  const sentence = (path: string): RegExp =>
    new RegExp(
      `^${path} can't be written \\(ENOSPC\\): the disk is full; make room there, then run the command again\\.$`,
    );

  it("is reported with the path, and no partial file is left", () => {
    const where = folder();
    const path = join(where, "a.json");
    writeFileAtomic(path, "old");
    for (const write of [
      () => writeFileSync(full(), "text"),
      () => writeAll(full(), Buffer.from("text")),
      () => torch.writeFile(torch.ones([4]), full(), 0),
    ])
      expect(() => writeAtomic(path, write)).toThrow(sentence(path));
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(where)).toEqual(["a.json"]);
  });

  it("is reported with the final path of a file in a folder", async () => {
    const where = folder();
    const path = join(where, "checkpoint-1");
    const fill = (fresh: string) => writeAtomic(join(fresh, "a.json"), () => writeFileSync(full(), "text"));
    await expect(replaceFolderAtomic(path, fill)).rejects.toThrow(sentence(join(path, "a.json")));
    await expect(fillFolder(where, fill, () => expect.unreachable())).rejects.toThrow(sentence(join(where, "a.json")));
    expect(readdirSync(where)).toEqual([]);
  });

  it("is reported for the run log", () => {
    const path = join(folder(), "events.jsonl");
    const log = runLogWriter(path, { prepare: () => {}, from: 0 });
    const done = { event: "done", time: "", metrics: {}, seconds: 0, peakMemoryBytes: 0 } as const;
    log.on(done, undefined);
    rmSync(path);
    symlinkSync("/dev/full", path);
    expect(() => log.on(done, undefined)).toThrow(sentence(path));
  });

  it("leaves other errors as they are", () => {
    const path = join(folder(), "a");
    const broken = () => {
      throw new TypeError("broken");
    };
    expect(() => writeAtomic(path, broken)).toThrow(new TypeError("broken"));
    expect(() =>
      saveSafetensors(path, [
        ["x", torch.ones([1])],
        ["x", torch.ones([1])],
      ]),
    ).toThrow(/two tensors/);
  });
});
