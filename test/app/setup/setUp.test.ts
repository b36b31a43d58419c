// What is refused before anything is installed or built.
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { setUp } from "../../../src/app/setup/setUp.js";
import { freshPath } from "../../support/workFolder.js";
import { fakeSystem } from "./fakeSystem.js";

const before = process.env.LIBTORCH;
let torch: string;
beforeEach(() => {
  torch = freshPath("torch");
  mkdirSync(join(torch, "include", "torch", "csrc", "api"), { recursive: true });
});
afterEach(() => {
  if (before === undefined) delete process.env.LIBTORCH;
  else process.env.LIBTORCH = before;
});

const OPTIONS = { yes: false, fromPython: false, develop: false };

test("a LIBTORCH without libtorch", async () => {
  const { system, ran } = fakeSystem();
  process.env.LIBTORCH = freshPath("nothing");
  await expect(setUp(system, OPTIONS, {})).rejects.toThrow(
    `LIBTORCH is ${process.env.LIBTORCH}, which has no libtorch to build for: set it to a folder with include/ and lib/, or unset it.`,
  );
  expect(ran).toEqual([]);
});

test("Python's libtorch, where LIBTORCH would be used all the same", async () => {
  const { system, ran } = fakeSystem({ output: () => `${torch}\n2.13.0+cpu` });
  process.env.LIBTORCH = relative(process.cwd(), freshPath("other"));
  await expect(setUp(system, { ...OPTIONS, fromPython: true }, {})).rejects.toThrow(
    `LIBTORCH is set and takes precedence over what --from-python builds: run \`LIBTORCH=${torch} npx --no -- bidora setup\`, and set LIBTORCH when running, too.`,
  );
  expect(ran).toEqual([]);
});
