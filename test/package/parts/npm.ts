import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { checkPrograms, healthy, quickstart } from "../checks.js";
import { npm } from "../managers.js";
import type { Place } from "../place.js";
import { printed } from "../project.js";
import type { User } from "../session.js";
import { filesUnder, megabytes, sizeOf, writtenOutside } from "../written.js";
import { checkTypes } from "./types.js";

const MAX_PLATFORM_BYTES = 400e6;
/** Where bidora may write: the project's output folder and two caches. */
const WRITTEN_BY_BIDORA = ["project/runs", ".cache/bidora", ".cache/huggingface"];
/** Where npm itself writes, from which `npx` runs. */
const WRITTEN_BY_NPM = [".npm", "/tmp/node-compile-cache"];

/** npm, from an empty folder to trained adapters, and again without a network. */
export async function checkNpm(place: Place): Promise<void> {
  const check = place.checks("npm");
  const begun = Date.now();
  await check(npm.install, async () => {
    const user = await place.installed();
    return `${seconds(Date.now() - begun)}; ${sizes(user)}`;
  });
  const user = await place.installed().catch(() => undefined);
  if (user === undefined) return;
  const before = filesUnder(user.session.upper);
  await check("bidora doctor --json", async () => healthy(user));
  await check("bidora quickstart", async () => {
    const { seconds: took } = await quickstart(place, user, "bidora quickstart");
    const first = statSync(join(user.session.upper, user.project, "runs/quickstart", FIRST_ADAPTER)).mtimeMs;
    return `${took.toFixed(0)} s; first adapter ${seconds(first - begun)} after the empty folder`;
  });
  await checkPrograms(place, user, "npm", npm.node);
  await check("no file outside of the output and the caches", async () => nothingElse(user, before));
  await checkTypes(place, user);
  await checkOffline(place, user);
}

const FIRST_ADAPTER = "sequence-classification/lora/seed-0/adapter_model.safetensors";

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(0)} s`;

/** @throws Error if the platform package is too large */
function sizes(user: User): string {
  const modules = join(user.session.upper, user.project, "node_modules");
  const platform = sizeOf(join(modules, "@bidora/linux-x64-gnu"));
  const text = `node_modules ${megabytes(sizeOf(modules))}, of which platform package ${megabytes(platform)}`;
  if (platform === 0 || platform >= MAX_PLATFORM_BYTES) throw new Error(text);
  return text;
}

async function nothingElse(user: User, before: ReturnType<typeof filesUnder>): Promise<undefined> {
  const allowed = [...WRITTEN_BY_BIDORA, ...WRITTEN_BY_NPM].map((name) => resolve(user.home, name));
  const found = writtenOutside(before, filesUnder(user.session.upper), allowed);
  if (found.length > 0) throw new Error(`${found.length} files\n${found.slice(0, 20).join("\n")}`);
  return undefined;
}

async function checkOffline(place: Place, user: User): Promise<void> {
  const check = place.checks("npm, offline");
  const isOffline = true;
  await check("bidora quickstart", async () => {
    const command = "bidora quickstart --methods lora --output runs/offline";
    return seconds(1000 * (await quickstart(place, user, command, { isOffline, env: {} })).seconds);
  });
  await check("node app.mjs", async () => {
    printed((await user.succeed("node app.mjs runs/offline-app", { isOffline })).stdout);
    return undefined;
  });
}
