import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder with package.json. */
export const packageRoot = findRoot();

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** The addon's path for the libtorch in use: scripts/build-native.sh names its build folders the same way. */
export function addonPath(): string {
  const libtorch = process.env.LIBTORCH;
  const name = libtorch ? createHash("sha256").update(resolve(libtorch)).digest("hex").slice(0, 12) : "system";
  return join(packageRoot, "build", `native-${name}`, "bidora.node");
}

/** The words that run this installation from whatever folder: npx looks for a package, and would ask the registry for a stranger's. */
export const ownCommand: readonly string[] = [process.execPath, join(packageRoot, "bin", "bidora.js")];

/** How hints for people name the command: npx finds what the project has installed, and never installs anything itself. */
export const HINTED_COMMAND = "npx --no -- bidora";

/** What to call to build the addon: a clone has a script for it, a project that bidora is installed in has the command. */
export function setupCommand(): string {
  return existsSync(join(packageRoot, "src")) ? "npm run setup" : `${HINTED_COMMAND} setup`;
}
