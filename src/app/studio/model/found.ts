/** The models on this machine that a run can start from. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { CONFIG_FILE } from "../../../base/index.js";
import { cachedModels } from "../../../formats/hub/index.js";
import { ownModelFolder } from "../../../formats/index.js";
import { isAdapterFolder } from "../../../models/adapters/index.js";

/** A model to choose. */
export interface FoundModel {
  /** As settings name it. */
  readonly name: string;
  /** Where it lies: "in this folder". */
  readonly place: string;
  readonly bytes: number;
}

/** Entries of a folder that are looked at. */
const MOST = 500;
const WEIGHTS = /\.safetensors$/;
const GGUF = /\.gguf$/i;

/** The models in the Hub's cache, and in bidora's own. */
export const modelsInCache = (): FoundModel[] => [
  ...cachedModels().map(({ name, bytes }) => ({ name, place: "in the Hub’s cache", bytes })),
  ...modelsAt("/", ownModelsFolder()).map(({ name, bytes }) => ({
    name: basename(name).replace("--", "/"),
    place: "in bidora’s cache",
    bytes,
  })),
];

/** Model folders and GGUF files near: in the studio's folder, in `models`, and what was trained or exported. */
export const modelsNear = (studio: string): FoundModel[] =>
  [".", "models", "runs", "exports"].flatMap((part) => modelsAt(studio, part).filter(({ name }) => name !== "."));

/**
 * The model at a path, or the models in a folder.
 * @param path absolute, from the studio's folder, or from the user's as `~/…`
 */
export function modelsAt(studio: string, path: string): FoundModel[] {
  const start = resolve(studio, path.replace(/^~(?=\/|$)/, homedir()));
  const found = statSync(start, { throwIfNoEntry: false });
  if (!found) return [];
  const own = modelAt(studio, start);
  if (own || !found.isDirectory()) return own ? [own] : [];
  return entriesOf(start).flatMap((name) => modelAt(studio, join(start, name)) ?? []);
}

function modelAt(studio: string, path: string): FoundModel | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return GGUF.test(path) ? { ...named(studio, path), bytes: found.size } : undefined;
  if (!found?.isDirectory() || !existsSync(join(path, CONFIG_FILE)) || isAdapterFolder(path)) return undefined;
  const weights = entriesOf(path).filter((name) => WEIGHTS.test(name));
  if (weights.length === 0) return undefined;
  const sizes = weights.map((name) => statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0);
  return { ...named(studio, path), bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Paths in the studio's folder are from there, so that the folder can be moved. */
function named(studio: string, path: string): Pick<FoundModel, "name" | "place"> {
  const inside = relative(studio, path);
  const isOutside = inside === "" || inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside);
  return isOutside ? { name: path, place: "on this machine" } : { name: inside, place: "in this folder" };
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort().slice(0, MOST);
  } catch {
    return [];
  }
}

/** The folder of a model of the Hub on this machine; undefined if there is none. */
export function folderInCache(name: string): string | undefined {
  const own = join(ownModelsFolder(), name.replace("/", "--"));
  return existsSync(join(own, CONFIG_FILE)) ? own : cachedModels().find((model) => model.name === name)?.folder;
}

const ownModelsFolder = (): string => dirname(ownModelFolder("org/name"));

/** Whether a model can be opened without the Hub. */
export const isOnMachine = (studio: string, name: string): boolean =>
  existsSync(resolve(studio, name)) || modelsInCache().some((cached) => cached.name === name);
