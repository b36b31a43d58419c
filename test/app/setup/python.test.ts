import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pythonTorch, requirePythonTorch } from "../../../src/app/setup/python.js";
import { freshPath } from "../../support/workFolder.js";
import { fakeSystem } from "./fakeSystem.js";

test("Python's torch is found by its folder and version, if it has its headers", () => {
  const folder = freshPath("torch");
  const { system } = fakeSystem({ output: () => `${folder}\n2.13.0+cpu` });
  expect(pythonTorch(system)).toBeUndefined();
  mkdirSync(join(folder, "include", "torch", "csrc", "api"), { recursive: true });
  expect(pythonTorch(system)).toEqual({ folder, version: "2.13.0+cpu" });
});

test("without it, the message says which Python was asked, or that there is none", () => {
  const withPython = fakeSystem({
    output: (_, words) => (words[1]?.includes("sys.executable") ? "/opt/python3" : undefined),
  });
  expect(() => requirePythonTorch(withPython.system)).toThrow(
    "/opt/python3 has no torch with its C++ headers: install one (python3 -m pip install torch), or activate the environment that has it.",
  );
  expect(() => requirePythonTorch(fakeSystem().system)).toThrow(/^--from-python takes .* there is no python3: install/);
});
