// The engine in the platform package, or why an installed package can't be used: one sentence for each known reason, with what to do.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  BidoraError,
  BUNDLED,
  isBundled,
  isClone,
  PLATFORM_PACKAGE,
  packageVersion,
  platformPackageFolder,
  sizeOf,
} from "../../base/index.js";
import { isJsonObject, parsedJson } from "../../base/records/index.js";
import { type EnginePlace, stamps } from "./builds.js";
import { glibcVersion, isOlder } from "./glibc.js";
import { BUILD_IT, whyMissing } from "./missingPackage.js";

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
  if (isClone && file.sources !== stamps().sourcesHash())
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
