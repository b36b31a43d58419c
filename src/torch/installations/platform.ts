// The engine in the platform package, or why an installed package can't be used: one sentence for each known reason, with what to do.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  BidoraError,
  BUNDLED,
  HINTED_COMMAND,
  isBundled,
  isClone,
  PLATFORM_PACKAGE,
  packageRoot,
  packageVersion,
  platformPackageFolder,
  platformPackages,
  sizeOf,
} from "../../base/index.js";
import { isJsonObject, parsedJson } from "../../base/records/index.js";
import { type EnginePlace, ownSources } from "./builds.js";

/** `engine.json` of a platform package; `npm run package` writes it. */
interface EngineFile {
  readonly version: string;
  readonly libtorch: string;
  readonly nodeApi: number;
  /** The oldest GNU C library that has all that libtorch asks for. */
  readonly glibc: string;
  /** The hash of the native sources. */
  readonly sources: string;
  /** Bytes by file name. */
  readonly files: Readonly<Record<string, number>>;
}

export function platformPlace(): EnginePlace {
  const folder = unpacked(platformPackageFolder());
  const file = readEngineFile(folder);
  const reason = whyNot(folder, file);
  return {
    source: "platform package",
    folder: folder ?? "",
    libtorch: file?.libtorch,
    bytes: file && Object.values(file.files).reduce((sum, bytes) => sum + bytes, 0),
    problem: reason === undefined ? undefined : new BidoraError("ENGINE_PACKAGE", reason),
  };
}

/** Why the package can't be used; undefined if it can. */
function whyNot(folder: string | undefined, file: EngineFile | undefined): string | undefined {
  if (isBundled) return BUNDLED;
  return folder !== undefined && file ? unusable(folder, file) : whyMissing(folder);
}

function readEngineFile(folder: string | undefined): EngineFile | undefined {
  if (folder === undefined) return undefined;
  try {
    const file = parsedJson(readFileSync(join(folder, "engine.json"), "utf8"));
    return isEngineFile(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

const TEXTS = ["version", "libtorch", "glibc", "sources"];

function isEngineFile(file: unknown): file is EngineFile {
  if (!isJsonObject(file) || !isJsonObject(file.files) || typeof file.nodeApi !== "number") return false;
  const areTexts = TEXTS.every((key) => typeof file[key] === "string");
  return areTexts && Object.values(file.files).every((bytes) => typeof bytes === "number");
}

/** Electron keeps what can't be loaded from its archive beside the archive. */
function unpacked(folder: string | undefined): string | undefined {
  const outside = folder?.replace(/\bapp\.asar(?=[\\/])/, "app.asar.unpacked");
  return outside && existsSync(outside) ? outside : folder;
}

/** Why the package can't be used although it is there; undefined if it can. */
function unusable(folder: string, file: EngineFile): string | undefined {
  const name = `${PLATFORM_PACKAGE} ${file.version}`;
  if (/\bapp\.asar[\\/]/.test(folder)) {
    return `${name} is inside app.asar, where the system can't load libraries from: add "node_modules/@bidora/**" to asarUnpack in the settings of Electron's packager.`;
  }
  if (file.version !== packageVersion()) {
    return `${name} is installed, but bidora ${packageVersion()} needs the same version of it: run \`npm install bidora@${packageVersion()}\`.`;
  }
  if (isClone && file.sources !== ownSources())
    return `${name} was made from other native sources: run \`npm run package\`.`;
  const damaged = Object.entries(file.files).find(([path, bytes]) => sizeOf(join(folder, path)) !== bytes);
  if (damaged) {
    return `${damaged[0]} in ${folder} is incomplete (expected ${damaged[1]} bytes, got ${sizeOf(join(folder, damaged[0]))}): remove that folder, then run \`npm install\`.`;
  }
  if (file.nodeApi > Number(process.versions.napi)) {
    return `${name} needs Node-API ${file.nodeApi}, and Node ${process.versions.node} has ${process.versions.napi}: install a newer Node.`;
  }
  return tooOldLibrary(file);
}

function tooOldLibrary({ glibc, libtorch }: EngineFile): string | undefined {
  const found = glibcVersion();
  if (process.platform !== "linux" || (found !== undefined && !isOlder(found, glibc))) return undefined;
  return `libtorch ${libtorch} needs the GNU C library ${glibc} or newer (Debian 13, Ubuntu 24.04), and this system has ${found ?? "another one"}: use a newer system or image, or ${BUILD_IT}.`;
}

/** What works on every system, for the end of a sentence. */
const BUILD_IT = `build the engine on this machine with \`${HINTED_COMMAND} setup\``;

/** Why there is no platform package. @param folder of one without an engine, if there is one */
function whyMissing(folder: string | undefined): string {
  const system = `${process.platform} on ${process.arch}`;
  if (!platformPackages().includes(PLATFORM_PACKAGE)) {
    return `bidora has no prebuilt engine for ${system}: ${BUILD_IT} (not tested on this system), or use Linux, for example in a container.`;
  }
  if (isClone) return `${PLATFORM_PACKAGE} is not built in this clone: \`npm run package\` builds it.`;
  if (isMusl()) {
    return `bidora's prebuilt engine needs the GNU C library, and this system (Alpine, for example) has musl: use an image with glibc, such as node:22-trixie-slim.`;
  }
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

let header: { readonly glibcVersionRuntime?: string } | undefined;

/** The version of the GNU C library that runs this process; undefined with another C library. Node's report takes 10 ms. */
function glibcVersion(): string | undefined {
  header ??= (reportWithoutNetwork() as { header: { glibcVersionRuntime?: string } }).header;
  return header.glibcVersionRuntime;
}

/** By default Node looks up the names of all hosts that this process is connected to, and waits for each. */
function reportWithoutNetwork(): object {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    return report.getReport();
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

/** Whether a version such as 2.36 is older than another. */
function isOlder(version: string, wanted: string): boolean {
  const [[major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]] = [numbersOf(version), numbersOf(wanted)];
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

const numbersOf = (version: string): number[] => version.split(".").map(Number);

/** Whether this is a Linux with another C library, which is musl in practice. */
const isMusl = (): boolean => process.platform === "linux" && glibcVersion() === undefined;
