import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createFolderAtomic,
  replaceFolderAtomic,
  sweepLeftovers,
  sweepTemporary,
  temporaryPath,
  writeAtomic,
  writeFileAtomic,
} from "../../../src/base/records/atomic.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";

const folder = temporaryFolders();

describe("writeFileAtomic", () => {
  it("writes and replaces a file without leftovers", () => {
    const where = folder();
    writeFileAtomic(join(where, "a.json"), "old");
    writeFileAtomic(join(where, "a.json"), Buffer.from("new"));
    expect(readFileSync(join(where, "a.json"), "utf8")).toBe("new");
    expect(readdirSync(where)).toEqual(["a.json"]);
  });

  it("keeps the old file while the new one is written, and after a failure", () => {
    const where = folder();
    const path = join(where, "a");
    writeFileAtomic(path, "old");
    const broken = () =>
      writeAtomic(path, (descriptor) => {
        writeFileSync(descriptor, "ne");
        expect(readFileSync(path, "utf8")).toBe("old");
        throw new Error("disk full");
      });
    expect(broken).toThrow("disk full");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(where)).toEqual(["a"]);
  });
});

describe("replaceFolderAtomic", () => {
  it("replaces a folder only when the new one is complete", async () => {
    const where = folder();
    const path = join(where, "checkpoint-1");
    mkdirSync(path);
    writeFileSync(join(path, "stale"), "");
    await replaceFolderAtomic(path, async (temporary) => {
      mkdirSync(join(temporary, "sub"));
      writeFileSync(join(temporary, "sub", "file"), "1");
      await Promise.resolve();
      expect(readdirSync(path)).toEqual(["stale"]);
    });
    expect(readdirSync(path)).toEqual(["sub"]);
    expect(readdirSync(where)).toEqual(["checkpoint-1"]);
  });

  it("keeps the old folder when filling fails", async () => {
    const where = folder();
    const path = join(where, "checkpoint-1");
    mkdirSync(path);
    const broken = replaceFolderAtomic(path, (temporary) => {
      writeFileSync(join(temporary, "file"), "");
      throw new Error("stop");
    });
    await expect(broken).rejects.toThrow("stop");
    expect(readdirSync(where)).toEqual(["checkpoint-1"]);
  });
});

describe("createFolderAtomic", () => {
  it("keeps a folder that another process created first, without leftovers", async () => {
    const where = folder();
    const path = join(where, "model");
    await createFolderAtomic(path, async (temporary) => {
      writeFileSync(join(temporary, "second"), "");
      await createFolderAtomic(path, (inner) => writeFileSync(join(inner, "first"), ""));
    });
    expect(readdirSync(path)).toEqual(["first"]);
    expect(readdirSync(where)).toEqual(["model"]);
  });
});

describe("sweepTemporary", () => {
  it("keeps recent files that others may be writing", () => {
    const where = folder();
    const [young, old] = [temporaryPath(join(where, "a")), temporaryPath(join(where, "b"))];
    for (const path of [young, old]) writeFileSync(path, "");
    utimesSync(old, 1, 1);
    sweepTemporary(where, 60_000);
    expect(readdirSync(where)).toEqual([basename(young)]);
  });

  it("removes temporary files and folders only", () => {
    const where = folder();
    writeFileSync(temporaryPath(join(where, "metrics.json")), "{");
    mkdirSync(join(temporaryPath(join(where, "checkpoint-3")), "sub"), { recursive: true });
    for (const name of ["metrics.json", ".hidden", "a.tmp", ".a.tmp"]) writeFileSync(join(where, name), "");
    sweepTemporary(where);
    expect(readdirSync(where).sort()).toEqual([".a.tmp", ".hidden", "a.tmp", "metrics.json"]);
    expect(existsSync(join(where, "metrics.json"))).toBe(true);
  });
});

describe("sweepLeftovers", () => {
  it("removes a file's old temporary files, and none that may still be written or that belong to another file", () => {
    const where = folder();
    const path = join(where, "rows.jsonl");
    const [old, young, other] = [path, path, join(where, "others.jsonl")].map(temporaryPath) as [
      string,
      string,
      string,
    ];
    for (const file of [path, old, young, other]) writeFileSync(file, "");
    const hoursAgo = Date.now() / 1000 - 7200;
    for (const file of [path, old, other]) utimesSync(file, hoursAgo, hoursAgo);
    sweepLeftovers(path);
    expect(readdirSync(where).sort()).toEqual([path, young, other].map((file) => basename(file)).sort());
    sweepLeftovers(join(where, "missing", "rows.jsonl"));
  });
});
