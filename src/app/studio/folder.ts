/** The studio's folder: rows, the settings of the next run, and runs, as the other commands read them. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, makeFolder, oneLine } from "../../base/index.js";

/** The folders in it, by what is in them. */
const FOLDERS = {
  rows: "rows",
  queue: "queue",
  runs: "runs",
  comparisons: "comparisons",
  exports: "exports",
  tried: "tried",
} as const;

export type Part = keyof typeof FOLDERS;

/** Names of files and runs: no path, nothing hidden, nothing that a shell would take apart. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.+-]{0,99}$/u;

export class StudioFolder {
  /** @param path absolute */
  constructor(readonly path: string) {}

  /** The settings of the next run. */
  get runFile(): string {
    return join(this.path, "run.yaml");
  }

  /** The path of a name in a part, absolute. @throws BidoraError `STUDIO` for what is no name */
  at(part: Part, name: string): string {
    return join(this.path, FOLDERS[part], checkedName(name));
  }

  /** The same path as commands take it that are started in the folder. */
  as(part: Part, name: string): string {
    return `${FOLDERS[part]}/${checkedName(name)}`;
  }

  /** The names in a part, those that changed last first. */
  names(part: Part): string[] {
    const folder = join(this.path, FOLDERS[part]);
    if (!existsSync(folder)) return [];
    const dated = readdirSync(folder)
      .filter((name) => NAME.test(name))
      .map((name) => ({ name, time: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0 }));
    return dated.sort((a, b) => b.time - a.time).map(({ name }) => name);
  }

  make(part: Part): string {
    const folder = join(this.path, FOLDERS[part]);
    makeFolder(folder);
    return folder;
  }

  /** A name that is not taken: `name`, or with a number behind it. */
  freeName(part: Part, name: string, extension = ""): string {
    const isFree = (candidate: string) => !existsSync(join(this.path, FOLDERS[part], candidate + extension));
    return firstFree(name, isFree) + extension;
  }
}

/** A name that is free: this one, or with a number behind it. */
export function firstFree(name: string, isFree: (candidate: string) => boolean): string {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}-${i}`;
    if (isFree(candidate)) return candidate;
  }
}

function checkedName(name: string): string {
  if (NAME.test(name)) return name;
  throw new BidoraError(
    "STUDIO",
    `${oneLine(name) || "An empty text"} can't be a name here: letters, digits, and _ . + - after the first are possible, 100 at most.`,
  );
}
