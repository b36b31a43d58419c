import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { makeFolder } from "../../src/base/fileSystem.js";

const root = mkdtempSync(join(tmpdir(), "bidora-folders-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("makeFolder", () => {
  test("creates missing parents and returns the topmost new folder", () => {
    expect(makeFolder(join(root, "a", "b", "c"))).toBe(join(root, "a"));
    expect(statSync(join(root, "a", "b", "c")).isDirectory()).toBe(true);
    expect(makeFolder(join(root, "a", "b", "d", "e"))).toBe(join(root, "a", "b", "d"));
    expect(makeFolder(join(root, "single"))).toBe(join(root, "single"));
  });

  test("leaves an existing folder as it is", () => {
    mkdirSync(join(root, "there"));
    writeFileSync(join(root, "there", "file"), "x");
    expect(makeFolder(join(root, "there"))).toBeUndefined();
    expect(readFileSync(join(root, "there", "file"), "utf8")).toBe("x");
  });

  test("names the path of a folder that can't be created", () => {
    writeFileSync(join(root, "file"), "x");
    const file = join(root, "file");
    expect(() => makeFolder(file)).toThrow(
      expect.objectContaining({
        code: "WRITE",
        message: `${file} can't be written (EEXIST): a file of that name is there; write elsewhere.`,
      }),
    );
    expect(() => makeFolder(join(file, "below"))).toThrow(
      `${file}/below can't be written (ENOTDIR): a part of the path is a file, where a folder is expected; write elsewhere.`,
    );
  });

  test.runIf(existsSync("/proc/self"))("fails at once on a file system that takes no new names", () => {
    for (const path of ["/proc/x", "/proc/x/y/z"])
      expect(() => makeFolder(path)).toThrow(
        expect.objectContaining({
          code: "WRITE",
          message: `${path} can't be made (ENOENT): /proc takes no new folders; write elsewhere.`,
        }),
      );
    expect(() => makeFolder("/proc/x/y", "XDG_CACHE_HOME")).toThrow(
      "/proc/x/y can't be made (ENOENT): /proc takes no new folders; write elsewhere. The folder is set by XDG_CACHE_HOME.",
    );
  });
});

test("no other file calls mkdir", () => {
  const source = fileURLToPath(new URL("../../src/", import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(300);
  const makers = files.filter((name) => /\bmkdir(Sync)?\(/.test(readFileSync(join(source, name), "utf8")));
  expect(makers).toEqual(["base/fileSystem.ts"]);
});
