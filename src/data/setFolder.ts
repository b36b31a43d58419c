/** The folders of published data sets. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { fileError } from "./textFile.js";

export type Split = "train" | "validation" | "test";

/** What is in a folder, by name, sorted. @throws BidoraError for one that is not there */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw fileError(folder, cause);
  });
  return names.sort();
}

/** A set's own folder: the one that is named, or one in it that has the set's name. */
export async function setFolder(directory: string, ...names: readonly string[]): Promise<string> {
  const inside = await namesIn(directory);
  const found = names.find((name) => inside.includes(name));
  return found === undefined ? directory : join(directory, found);
}

/** For a folder without a set's files. @param files as a sentence names them */
export function noFiles(folder: string, files: string): BidoraError {
  return new BidoraError("FILE", `${folder} has no ${files}: give the folder of the files as published by --data.`);
}
