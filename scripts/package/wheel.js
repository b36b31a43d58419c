// torch's wheel for a platform: the pinned one, from the cache or by pip as the user has configured it.
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { interrupted, outcomeOf, Refusal } from "./run.js";
import { namesIn, readTexts } from "./zip.js";

/** @typedef {{ torch: string, tags: string[], wheels: Record<string, string> }} Pin the version, pip's platforms, SHA-256 sums by name */

/** @returns {Record<string, Pin>} */
export const readPins = () => JSON.parse(readFileSync(new URL("wheels.json", import.meta.url), "utf8"));

const PIPS = [["python3", "-m", "pip"], ["pip3"], ["python", "-m", "pip"], ["pip"]];

/** Where wheels are kept: in the user's cache folder of bidora. */
function wheelFolder() {
  const { BIDORA_HOME, XDG_CACHE_HOME } = process.env;
  return join(BIDORA_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "bidora"), "wheels");
}

/** @param {Pin} pin @returns {Promise<string>} the path of the wheel, checked */
export async function cpuWheel(pin) {
  const folder = wheelFolder();
  const path = (await keptWheel(pin, folder)) ?? (await downloadedWheel(pin, folder));
  await checkCpuBuild(path, pin.torch);
  return path;
}

/** One that was damaged after it was kept is removed, and downloaded again. @param {Pin} pin @param {string} folder */
async function keptWheel({ wheels }, folder) {
  for (const [name, sum] of Object.entries(wheels)) {
    const path = join(folder, name);
    if (!existsSync(path)) continue;
    if ((await sha256(path)) === sum) return path;
    rmSync(path);
  }
  return undefined;
}

/** @param {Pin} pin @param {string} folder */
async function downloadedWheel(pin, folder) {
  mkdirSync(folder, { recursive: true });
  const beside = mkdtempSync(join(folder, ".download-"));
  try {
    await download(pin, beside);
    const [name] = readdirSync(beside);
    if (name === undefined) throw new Refusal(`pip gave no wheel of torch ${pin.torch}`);
    await checkPinned(join(beside, name), name, pin);
    const path = join(folder, name);
    renameSync(join(beside, name), path);
    return path;
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

/** @param {Pin} pin @param {string} folder */
async function download({ torch, tags }, folder) {
  const platforms = tags.flatMap((tag) => ["--platform", tag]);
  const flags = [
    "--no-deps",
    "--only-binary=:all:",
    "--python-version=311",
    "--implementation=cp",
    "--no-input",
    "--quiet",
  ];
  for (const [program = "", ...words] of PIPS) {
    const outcome = await outcomeOf(program, [
      ...words,
      "download",
      ...flags,
      ...platforms,
      "--dest",
      folder,
      `torch==${torch}`,
    ]);
    if (!outcome || /No module named '?pip/.test(outcome.errors)) continue;
    if (outcome.status === 0) return;
    throw new Refusal(`pip found no CPU wheel of torch ${torch} for ${tags.join(" or ")}:\n${outcome.errors.trim()}`);
  }
  throw new Refusal("torch's wheel is downloaded with pip, which is not installed: install Python 3 with pip");
}

/** @param {string} path @param {string} name @param {Pin} pin */
export async function checkPinned(path, name, { wheels }) {
  const sum = await sha256(path);
  if (wheels[name] !== sum)
    throw new Refusal(`${name} has SHA-256 ${sum}, which scripts/package/wheels.json does not list for it`);
}

async function sha256(/** @type {string} */ path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal: interrupted });
  return hash.digest("hex");
}

/** Refuses builds for GPUs, and another version. @param {string} path @param {string} torch the expected version */
export async function checkCpuBuild(path, torch) {
  const facts = await torchFacts(path);
  if (facts.version.split("+")[0] !== torch.split("+")[0])
    throw new Refusal(`the wheel ${path} holds torch ${facts.version}, expected ${torch}`);
  const gpu = ["cuda", "hip", "xpu"].find((name) => facts[name] !== "None");
  const library = (await namesIn(path)).find((name) => /libtorch_(cuda|hip|xpu)/.test(name));
  if (gpu || library)
    throw new Refusal(`the wheel ${path} is no CPU build of torch: it has ${library ?? `${gpu} ${facts[gpu ?? ""]}`}`);
}

/** What torch/version.py says; "None" where there is no support. @param {string} path @returns {Promise<Record<string, string> & { version: string }>} */
export async function torchFacts(path) {
  const text = (await readTexts(path, /^torch\/version\.py$/)).get("torch/version.py") ?? "";
  const fact = (/** @type {string} */ name) =>
    text
      .match(new RegExp(`^${name}(?:: [^=]+)? = (?:'([^']*)'|(\\S+))`, "m"))
      ?.slice(1)
      .find(Boolean);
  const version = fact("__version__");
  if (version === undefined) throw new Refusal(`the wheel ${path} has no torch/version.py with a version`);
  return { version, ...Object.fromEntries(["cuda", "hip", "xpu"].map((name) => [name, fact(name) ?? "None"])) };
}
