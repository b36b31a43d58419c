// Libraries of many files, each loaded by the first call that needs it.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export const yaml = (): typeof import("yaml") => require("yaml");

export const re2 = (): typeof import("re2js") => require("re2js");
