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
import { makeFolder } from "../../src/common/fileSystem.js";

const root = mkdtempSync(join(tmpdir(), "bidora-folders-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("a folder", () => {
  test("is made with those above it, and the topmost new one is returned", () => {
    expect(makeFolder(join(root, "a", "b", "c"))).toBe(join(root, "a"));
    expect(statSync(join(root, "a", "b", "c")).isDirectory()).toBe(true);
    expect(makeFolder(join(root, "a", "b", "d", "e"))).toBe(join(root, "a", "b", "d"));
    expect(makeFolder(join(root, "single"))).toBe(join(root, "single"));
  });

  test("that is there already is left as it is", () => {
    mkdirSync(join(root, "there"));
    writeFileSync(join(root, "there", "file"), "x");
    expect(makeFolder(join(root, "there"))).toBeUndefined();
    expect(readFileSync(join(root, "there", "file"), "utf8")).toBe("x");
  });

  test("that can't be made is refused in a sentence with its path", () => {
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

  test.runIf(existsSync("/proc/self"))("on a file system that takes no names is refused", () => {
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

test("no other file makes folders with Node's recursive mkdir", () => {
  const source = fileURLToPath(new URL("../../src/", import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(300);
  const makers = files.filter((name) => /\bmkdir(Sync)?\(/.test(readFileSync(join(source, name), "utf8")));
  expect(makers).toEqual(["common/fileSystem.ts"]);
});
