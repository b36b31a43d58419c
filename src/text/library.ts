// Where the native library `tokenizers` is: the platform package has one platform's binary, the npm package those of all.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, PLATFORM_PACKAGE, peerVersion, platformPackageFolder, require } from "../base/index.js";
import { readOptionalJsonObject } from "../base/records/index.js";

/** A build of the library, and how messages name it. */
interface Library {
  readonly path: string;
  readonly name: string;
  readonly version: string | undefined;
}

/**
 * The build to load: the platform package's, or else the npm package's.
 * @throws BidoraError `TOKENIZERS_MISSING` if neither has the version that this program is tested with
 */
export function findTokenizers(
  folder = platformPackageFolder(),
  resolve: (id: string) => string = require.resolve,
): Library {
  const version = peerVersion("tokenizers");
  const found = [inPlatformPackage(folder), inNpmPackage(resolve)].filter((library) => library !== undefined);
  const fitting = found.find((library) => library.version === version);
  if (fitting) return fitting;
  const others = found.map(
    (library) => `${library.name} has ${library.version ? `version ${library.version}` : "an unknown version"}`,
  );
  throw new BidoraError(
    "TOKENIZERS_MISSING",
    `The library tokenizers ${version} is not installed${others.length > 0 ? ` (${others.join(", ")})` : ""}: run \`npm install tokenizers@${version}\`.`,
  );
}

function inPlatformPackage(folder: string | undefined): Library | undefined {
  if (folder === undefined) return undefined;
  const path = join(folder, "tokenizers.node");
  if (!existsSync(path)) return undefined;
  const { tokenizers } = readOptionalJsonObject(join(folder, "engine.json"));
  return { path, name: PLATFORM_PACKAGE, version: typeof tokenizers === "string" ? tokenizers : undefined };
}

function inNpmPackage(resolve: (id: string) => string): Library | undefined {
  try {
    const { version } = require(resolve("tokenizers/package.json")) as { version: string };
    return { path: resolve("tokenizers"), name: "the npm package", version };
  } catch {
    return undefined;
  }
}
