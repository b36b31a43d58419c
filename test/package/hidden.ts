// What a fresh user's machine lacks and this one may have: libtorch, and what could build the addon.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const FOLDERS = [
  "/usr/bin",
  "/usr/local/bin",
  "/usr/lib",
  "/usr/lib/x86_64-linux-gnu",
  "/usr/local/lib",
  "/usr/include",
];

const PROGRAMS = /^(cc|c\+\+|gcc|g\+\+|clang|clang\+\+|c?make|ninja|pip3?|python3?)(-?[\d.]+)?$/;
const LIBRARIES = /^(torch|lib(torch|c10)\b.*|c10|aten)$/i;

/** The paths on this machine. */
export const hiddenPaths = (): string[] =>
  FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => PROGRAMS.test(name) || LIBRARIES.test(name))
      .map((name) => join(folder, name)),
  );
