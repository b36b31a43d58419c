// Node's require, for what is loaded at its first use or found in the package's folder.
import { createRequire } from "node:module";
import { BidoraError } from "./errors.js";

/** This file's URL, which tells where the package is. */
export const ownUrl = checkedUrl(import.meta.url);

export const require = createRequire(ownUrl);

// Libraries of many files, each loaded by the first call that needs it.
export const yaml = (): typeof import("yaml") => require("yaml");
export const re2 = (): typeof import("re2js") => require("re2js");

/** A bundler that makes CommonJS of this file leaves it without its URL. */
function checkedUrl(url: string | undefined): string {
  if (url !== undefined) return url;
  throw new BidoraError(
    "BUNDLED",
    "bidora can't be part of a CommonJS bundle: leave it out of the bundle, as esbuild does with --external:bidora.",
  );
}
