/** The state of the files that an answer depends on: it is asked for again when one of them changes. */
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { statOf } from "../../../base/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import { type FileState, fileState } from "../kept.js";
import { folderInCache } from "./found.js";

/** The folders of sentence-transformers' modules. */
const MODULE = /^\d+_\w+$/;

/**
 * The state of each file of a model or an adapter: editing one leaves the folder as it was.
 * @param studio the studio's folder
 * @param name as settings name the model: a path, or a name of the Hub
 */
export function modelState(studio: string, name: string): unknown {
  const path = resolve(studio, name);
  const found = statOf(path);
  const folder = found ? path : folderInCache(name);
  return found?.isFile() || folder === undefined ? fileState(path) : [folder, statesIn(folder)];
}

function statesIn(folder: string): unknown[] {
  const entries = readdirSync(folder).filter((name) => !name.startsWith("."));
  return entries.sort().map((name) => {
    const path = join(folder, name);
    if (!statOf(path)?.isDirectory()) return [name, fileState(path)];
    return MODULE.test(name) ? [name, statesIn(path)] : [name];
  });
}

/** The states of the files that a run reads besides its model. @param folder the studio's */
export function rowStates(folder: string, file: RunSettings): readonly (FileState | false)[] {
  const { data, train, validation, test, upperTrain, chatTemplate } = file;
  const paths = [data, train, validation, test, upperTrain, chatTemplate];
  return paths.map((path) => path !== undefined && fileState(resolve(folder, path)));
}
