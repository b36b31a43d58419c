import { randomBytes } from "node:crypto";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeFolder } from "../../common/fileSystem.js";
import { isAlive } from "../processIdentity.js";
import { HUB_CACHE_SETTING } from "./settings.js";

/*
 * A download under way is called `<blob>.<process>-<random>.incomplete`, so that two processes never write into the same file. One
 * that failed is called `<blob>.incomplete`. Whoever renames it to a name of its own may go on with it.
 */

/** Takes over what an ended download of this blob left, or starts with nothing. @returns the path to append to */
export function claimPartial(blob: string): string {
  makeFolder(dirname(blob), HUB_CACHE_SETTING);
  const own = `${blob}.${process.pid}-${randomBytes(4).toString("hex")}.incomplete`;
  for (const left of abandoned(blob)) {
    try {
      renameSync(left, own);
      break;
    } catch {
      // Another process was faster.
    }
  }
  return own;
}

/** Leaves a failed download to the next one. */
export function releasePartial(blob: string, own: string): void {
  try {
    renameSync(own, `${blob}.incomplete`);
  } catch {
    // There is nothing to leave: it failed before its first byte, or its contents were wrong.
  }
}

/** Gives a whole and checked download its final name. */
export function finishPartial(blob: string, own: string): void {
  renameSync(own, blob);
  for (const left of abandoned(blob)) rmSync(left, { force: true });
}

function abandoned(blob: string): string[] {
  const name = basename(blob);
  return readdirSync(dirname(blob))
    .filter((file) => file.startsWith(`${name}.`) && isAbandoned(file.slice(name.length)))
    .map((file) => join(dirname(blob), file));
}

function isAbandoned(suffix: string): boolean {
  if (suffix === ".incomplete") return true;
  const owner = /^\.(\d+)-[0-9a-f]{8}\.incomplete$/.exec(suffix)?.[1];
  return owner !== undefined && !isAlive(Number(owner));
}
