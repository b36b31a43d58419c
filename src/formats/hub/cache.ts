import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { getRepoFolderName } from "@huggingface/hub";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  CONFIG_FILE,
  makeFolder,
  SENTENCE_TRANSFORMERS,
  TOKENIZER_SPECS,
  WEIGHTS_FILE,
  WEIGHTS_INDEX,
} from "../../base/index.js";
import { temporaryPath, writeFileAtomic } from "../../base/records/index.js";
import { readWeightMap } from "../modelFiles.js";
import { HUB_CACHE_SETTING, type HubSettings } from "./options.js";

/*
 * The layout of Python's huggingface_hub, shared with it:
 *   models--org--name/blobs/<etag>                 file contents, each stored once
 *   models--org--name/refs/<branch or tag>         the commit it pointed to when last asked
 *   models--org--name/snapshots/<commit>/<file>    links to the blobs
 *   models--org--name/.no_exist/<commit>/<file>    empty; a file that the commit is known not to have
 */

/** Files that this program or another can load a tokenizer from. */
const TOKENIZER_SOURCES = [...TOKENIZER_SPECS, "tokenizer.model", "sentencepiece.bpe.model", "spiece.model"];

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

export function repoFolder(settings: HubSettings, repo: string): string {
  return join(settings.cacheFolder, getRepoFolderName({ type: "model", name: repo }));
}

export function snapshotFolder(folder: string, commit: string): string {
  return join(folder, "snapshots", commit);
}

export function blobPath(folder: string, etag: string): string {
  return join(folder, "blobs", etag);
}

/** The commit of a revision as the cache knows it. */
export function cachedCommit(folder: string, revision: string): string | undefined {
  if (isCommit(revision)) return revision;
  try {
    return readFileSync(join(folder, "refs", revision), "utf8").trim();
  } catch {
    return undefined;
  }
}

export function writeRef(folder: string, revision: string, commit: string): void {
  if (isCommit(revision) || cachedCommit(folder, revision) === commit) return;
  const path = join(folder, "refs", revision);
  makeFolder(dirname(path), HUB_CACHE_SETTING);
  writeFileAtomic(path, commit);
}

/** Whether a snapshot has the configuration and all weights of a model or an adapter. */
export function isWholeSnapshot(snapshot: string): boolean {
  const has = (name: string) => existsSync(join(snapshot, name));
  if (has(ADAPTER_CONFIG) && has(ADAPTER_WEIGHTS)) return true;
  return has(CONFIG_FILE) && (has(WEIGHTS_FILE) || (has(WEIGHTS_INDEX) && shardsOf(snapshot).every(has)));
}

/**
 * Whether a snapshot has everything, including a tokenizer and, if the repository has them, sentence-transformers' modules, which
 * transformers does not download.
 * @param expected small files of the repository, if they are known
 */
export function isComplete(folder: string, commit: string, expected: readonly string[] = []): boolean {
  const snapshot = snapshotFolder(folder, commit);
  const has = (name: string) => existsSync(join(snapshot, name));
  const knowsModules = has(MODULES) || existsSync(missingModules(folder, commit));
  return isWholeSnapshot(snapshot) && TOKENIZER_SOURCES.some(has) && knowsModules && expected.every(has);
}

const MODULES = SENTENCE_TRANSFORMERS.modules;

/** The file that says that a commit has no modules. */
const missingModules = (folder: string, commit: string): string => join(folder, ".no_exist", commit, MODULES);

/** Records which of the files that decide whether a snapshot is complete the commit does not have. */
export function recordMissing(folder: string, commit: string, names: ReadonlySet<string>): void {
  if (names.has(MODULES)) return;
  const path = missingModules(folder, commit);
  makeFolder(dirname(path), HUB_CACHE_SETTING);
  writeFileAtomic(path, "");
}

export function shardsOf(snapshot: string): string[] {
  return [...new Set(readWeightMap(join(snapshot, WEIGHTS_INDEX)).values())];
}

/** Adds a blob to a snapshot: as a relative link, or as a copy if the file system has no links. */
export function linkIntoSnapshot(folder: string, commit: string, file: string, etag: string): void {
  const path = join(snapshotFolder(folder, commit), file);
  if (existsSync(path)) return;
  const blob = blobPath(folder, etag);
  makeFolder(dirname(path), HUB_CACHE_SETTING);
  const temporary = temporaryPath(path);
  try {
    symlinkSync(relative(dirname(path), blob), temporary);
  } catch {
    copyFileSync(blob, temporary);
  }
  try {
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
