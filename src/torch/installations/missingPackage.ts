// Why there is no platform package: one sentence for each known reason, with what to do.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { HINTED_COMMAND, isClone, PLATFORM_PACKAGE, packageRoot, platformPackages } from "../../base/index.js";
import { isMusl } from "./glibc.js";

/** What works on every system, for the end of a sentence. */
export const BUILD_IT = `build the engine on this machine with \`${HINTED_COMMAND} setup\``;

/** Why there is no platform package. @param folder of one without an engine, if there is one */
export function whyMissing(folder: string | undefined): string {
  const system = `${process.platform} on ${process.arch}`;
  if (!platformPackages().includes(PLATFORM_PACKAGE)) {
    return `bidora has no prebuilt engine for ${system}: ${BUILD_IT} (not tested on this system), or use Linux, for example in a container.`;
  }
  if (isMusl()) {
    return `bidora's prebuilt engine needs the GNU C library, and this system (Alpine, for example) has musl: use an image with glibc, such as node:22-trixie-slim.`;
  }
  if (isClone) return `${PLATFORM_PACKAGE} is not built in this clone: \`npm run package\` builds it.`;
  if (folder) {
    const fault = existsSync(join(folder, "engine.json")) ? "a damaged" : "no";
    return `${folder} has ${fault} engine.json: remove that folder, then run \`npm install\`.`;
  }
  return notInstalled();
}

/** The reason, by the folders beside bidora and the project's lock file. */
function notInstalled(): string {
  const project = dirname(dirname(packageRoot));
  const other = installedForOthers(join(project, "node_modules", "@bidora"))[0];
  const subject = `${PLATFORM_PACKAGE}, which holds libtorch, is not installed`;
  if (other)
    return `${subject}: node_modules was installed on another system (it has @bidora/${other}); remove it, then run \`npm install\` here.`;
  if (isLockedWithout(join(project, "package-lock.json"))) {
    return `${subject}: package-lock.json was made on another system and lacks it; remove package-lock.json and node_modules, then run \`npm install\`.`;
  }
  return `${subject}, since optional dependencies were left out: run \`npm install --include=optional\`, or ${BUILD_IT}.`;
}

function installedForOthers(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => /^(linux|darwin|win32)-/.test(name) && name !== basename(PLATFORM_PACKAGE));
}

function isLockedWithout(path: string): boolean {
  return existsSync(path) && !readFileSync(path, "utf8").includes(`node_modules/${PLATFORM_PACKAGE}"`);
}
