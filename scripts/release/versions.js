// Turns the changesets into versions and changelogs of all packages, and updates package-lock.json: npm run versions
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { manifestOf } from "./workspaces.js";

const CHANGESETS = "@changesets/cli@3.0.3";
const NEEDED_NODE = 22;

const root = fileURLToPath(new URL("../..", import.meta.url));

const run = (/** @type {string} */ program, /** @type {string[]} */ ...words) =>
  execFileSync(program, words, { cwd: root, stdio: "inherit" });

/** Changesets passes over the root package of npm's workspaces, which here is published; pnpm's list of workspaces can name it. */
function withRootAsWorkspace(/** @type {() => void} */ action) {
  const list = fileURLToPath(new URL("../../pnpm-workspace.yaml", import.meta.url));
  if (existsSync(list)) throw new Error(`${list} exists; it is written for a moment only, so remove it.`);
  writeFileSync(list, JSON.stringify({ packages: [".", ...(manifestOf(root).workspaces ?? [])] }));
  try {
    action();
  } finally {
    rmSync(list);
  }
}

if (Number.parseInt(process.versions.node, 10) < NEEDED_NODE) {
  throw new Error(`${CHANGESETS} needs Node ${NEEDED_NODE} or newer; this is ${process.version}.`);
}
withRootAsWorkspace(() => run("npx", "--yes", CHANGESETS, "version"));
run("npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund");
