// The npm package with the native parts for this platform: libtorch, the addon and the tokenizers' binary.

import { dirname } from "node:path";
import { require } from "./require.js";

/** The package's name for this platform, whether or not it exists; Linux packages are for the GNU C library. */
export const PLATFORM_PACKAGE = `@bidora/${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`;

/** The package's folder; undefined if it is not installed where Node finds it from here. */
export function platformPackageFolder(): string | undefined {
  try {
    return dirname(require.resolve(`${PLATFORM_PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}
