// The tools of tools/package.json, installed into the user's cache.
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, SOURCES } from "./places.js";
import { run } from "./processes.js";
import { Skipped } from "./summary.js";

const FILES = ["package.json", "package-lock.json"];

const isSame = (a: string, b: string): boolean =>
  existsSync(a) && existsSync(b) && readFileSync(a).equals(readFileSync(b));

/** The folder with the tools, at the locked versions. @throws Skipped if npm can't install them */
export async function installTools(): Promise<string> {
  const folder = cacheFolder("tools");
  const done = join(folder, "node_modules", ".installed-lock.json");
  if (isSame(join(SOURCES, "tools", "package-lock.json"), done)) return folder;
  for (const file of FILES) copyFileSync(join(SOURCES, "tools", file), join(folder, file));
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, stderr } = await run(["npm", "ci", "--prefix", folder, ...flags]);
  if (status !== 0) throw new Skipped(`the tools can't be installed: ${stderr.trim().split("\n").at(-1)}`);
  copyFileSync(join(folder, "package-lock.json"), done);
  return folder;
}

/** The programs of a fresh user, as paths in the folder of the tools. */
export const PROGRAMS = {
  node: "node22/bin/node",
  npm: "npm/bin/npm-cli.js",
  npx: "npm/bin/npx-cli.js",
  pnpm: "pnpm/bin/pnpm.cjs",
  yarn: "yarn/bin/yarn.js",
  yarn4: "yarn4/bin/yarn.js",
  tsc: "typescript/bin/tsc",
  esbuild: "esbuild/bin/esbuild",
};
