import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Program } from "./workerProcess.js";

/**
 * The benchmark worker of another checkout of bidora, with that checkout's code and addon, compiled as its `npm run bench` would.
 * @throws Error if the checkout was not set up
 */
export async function workerOf(folder: string): Promise<Program> {
  const root = resolve(folder);
  const isThere = existsSync(join(root, "bench", "tsconfig.json")) && existsSync(join(root, "node_modules"));
  if (!isThere || !hasAddon(root))
    throw new Error(`--before takes another checkout of bidora in which \`npm run setup\` has been run; got ${root}.`);
  await promisify(execFile)(join(root, "node_modules", ".bin", "tsc"), ["-p", "bench"], { cwd: root });
  return { command: process.execPath, args: [join(root, "build", "bench", "bench", "worker", "main.js")] };
}

function hasAddon(root: string): boolean {
  const build = join(root, "build");
  return existsSync(build) && readdirSync(build).some((name) => existsSync(join(build, name, "bidora.node")));
}
