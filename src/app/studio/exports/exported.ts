/** What was exported: folders in exports/, each with a hidden file beside it of how it was made. */
import { rmSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import * as z from "zod";
import { BidoraError, isFolder, isObject, oneLine } from "../../../base/index.js";
import { readOptionalJsonObject, writeFileAtomic } from "../../../base/records/index.js";
import type { OnnxFile } from "../../../use/export/index.js";
import type { StudioFolder } from "../folder.js";

/** How an export was made. */
export interface Making {
  readonly run: string;
  /** The time at which the run had ended: another run may have its name later. */
  readonly ended?: number;
  /** The offer's key. */
  readonly kind: string;
  /** The command. */
  readonly words: readonly string[];
  /** Of the command's `--json`. */
  readonly relativeError?: number;
  readonly files?: readonly OnnxFile[];
}

export interface Exported {
  readonly name: string;
  readonly path: string;
  /** Undefined for a folder from elsewhere. */
  readonly making: Making | undefined;
  readonly files: readonly ExportedFile[];
}

/** A file with its path in the folder, and its size in bytes. */
export interface ExportedFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** All exports, those that changed last first. One that is still being made has nothing but hidden files. */
export async function exportedIn(folder: StudioFolder): Promise<Exported[]> {
  const names = folder.names("exports").filter((name) => isFolder(folder.at("exports", name)));
  const all = await Promise.all(names.map((name) => exported(folder, name)));
  return all.filter(({ files }) => files.length > 0);
}

/** @throws BidoraError `STUDIO` for a name without a folder */
export async function exported(folder: StudioFolder, name: string): Promise<Exported> {
  const path = folder.at("exports", name);
  if (!isFolder(path)) throw new BidoraError("STUDIO", `There is no export ${oneLine(name)}.`);
  return {
    name,
    path,
    making: makingOf(folder, name),
    files: await filesIn(path),
  };
}

/** What is not as it was written here is not shown. */
function makingOf(folder: StudioFolder, name: string): Making | undefined {
  try {
    return schema.safeParse(readOptionalJsonObject(fileOf(folder, name))).data;
  } catch {
    return undefined;
  }
}

const graph = z.custom<OnnxFile>(
  (one) => isObject(one) && typeof one.dtype === "string" && typeof one.bytes === "number",
);
const schema: z.ZodType<Making> = z.object({
  run: z.string(),
  ended: z.number().exactOptional(),
  kind: z.string(),
  words: z.array(z.string()),
  relativeError: z.number().exactOptional(),
  files: z.array(graph).exactOptional(),
});

/** The files in a folder and in its folders, without hidden ones. */
export async function filesIn(path: string): Promise<ExportedFile[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(
    files.map(async (file) => ({ name: relative(path, file), path: file, bytes: (await stat(file)).size })),
  );
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const bytesOf = (files: readonly ExportedFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

export function saveMaking(folder: StudioFolder, name: string, making: Making): void {
  writeFileAtomic(fileOf(folder, name), `${JSON.stringify(making, undefined, 2)}\n`);
}

export function removeExport(folder: StudioFolder, name: string): void {
  const path = folder.at("exports", name);
  if (!isFolder(path)) throw new BidoraError("STUDIO", `There is no export ${oneLine(name)}.`);
  rmSync(path, { recursive: true });
  rmSync(fileOf(folder, name), { force: true });
}

const fileOf = (folder: StudioFolder, name: string): string => join(folder.make("exports"), `.${name}.json`);
