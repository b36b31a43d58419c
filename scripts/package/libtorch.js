// libtorch as the package ships it, and the headers that the addon is built with: from torch's wheel.
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkRunPath, dynamicSection } from "./elf.js";
import { toolFor } from "./platforms.js";
import { outputOf } from "./run.js";
import { unpack } from "./zip.js";

/** What the addon is linked with; the other libraries follow from these. */
const LINKED = ["libtorch_cpu.so", "libc10.so"];

/**
 * Unpacks a wheel's headers and the stripped libraries that the addon needs into `folder`/torch, unless they are there.
 * @param {string} wheel
 * @param {string} platform
 * @param {string} folder
 * @returns {Promise<string>} the folder with include/ and lib/
 */
export async function unpackLibtorch(wheel, platform, folder) {
  const whole = join(folder, "torch");
  if (existsSync(whole)) return whole;
  const begun = join(folder, "unpacking");
  rmSync(begun, { recursive: true, force: true });
  await unpack(wheel, /^torch\/(include\/|lib\/[^/]+\.so(\.\d+)*$)/, begun);
  const torch = join(begun, "torch");
  renameSync(join(torch, "lib"), join(torch, "all"));
  mkdirSync(join(torch, "lib"));
  for (const name of await closure(join(torch, "all")))
    await stripped(join(torch, "all", name), join(torch, "lib", name), platform);
  rmSync(join(torch, "all"), { recursive: true });
  renameSync(torch, whole);
  rmSync(begun, { recursive: true });
  return whole;
}

/** The linked libraries and all that they need of the wheel's; the system has the rest. @param {string} folder */
async function closure(folder) {
  const names = new Set(LINKED);
  for (const name of names) {
    const { needed } = await dynamicSection(join(folder, name));
    for (const other of needed) if (existsSync(join(folder, other))) names.add(other);
  }
  return names;
}

/** @param {string} from @param {string} to @param {string} platform */
async function stripped(from, to, platform) {
  await checkRunPath(from);
  copyFileSync(from, to);
  await outputOf(toolFor(platform, "strip"), ["--strip-unneeded", to]);
}
