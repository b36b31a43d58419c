// What the page in the browser needs, installed by npm: here by a program of that name which only says what it was asked.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { install } from "../../../src/app/studio/exports/installing.js";
import { Studio } from "../../../src/app/studio/workspace.js";
import { freshPath } from "../../support/workFolder.js";

/** @param script of the program @returns how the installation ends */
async function installed(script: string) {
  const [programs, folder] = [freshPath("programs"), freshPath("studio")];
  for (const path of [programs, folder]) mkdirSync(path);
  writeFileSync(join(programs, "npm"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(programs, "npm"), 0o755);
  vi.stubEnv("PATH", `${programs}${delimiter}${process.env.PATH}`);
  const studio = new Studio(folder);
  install(studio);
  await vi.waitFor(() => expect(studio.works.isRunning("transformers.js")).toBe(false), 10_000);
  await studio.close();
  return { folder, state: studio.works.get("transformers.js") };
}

afterEach(() => vi.unstubAllEnvs());

test("npm installs transformers.js into the studio's folder, and runs nothing of what comes", async () => {
  const { folder, state } = await installed('echo "$PWD $@" > asked');
  expect(state).toMatchObject({ state: "done", message: "The page opens now." });
  const words = `${folder} install --prefix . --ignore-scripts --no-audit --no-fund @huggingface/transformers`;
  expect(readFileSync(join(folder, "asked"), "utf8").trim()).toBe(words);
});

test("npm's own sentence says what is wrong", async () => {
  const { folder, state } = await installed(
    'echo "npm error code ENOTFOUND" >&2; echo "npm error network request failed" >&2; exit 1',
  );
  expect(state).toMatchObject({ state: "failed", message: "network request failed" });
  expect(existsSync(join(folder, "node_modules"))).toBe(false);
});
