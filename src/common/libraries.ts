// Libraries of many files, each loaded by the first call that needs it.
import { require } from "./require.js";

export const yaml = (): typeof import("yaml") => require("yaml");

export const re2 = (): typeof import("re2js") => require("re2js");
