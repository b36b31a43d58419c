// Downloads files of a repository into the cache, with resume and checksums.

import { createHash, type Hash, randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BidoraError, makeFolder, statOf, writeFailure } from "../../base/index.js";
import { isAlive, writeAll } from "../../base/records/index.js";
import { attempt, hubFetch, type RemoteFile, type RequestLimits } from "./client.js";
import { type HubRequest, isUnreachable, unreachable } from "./errors.js";
import { HUB_CACHE_SETTING } from "./options.js";

/** Consecutive attempts without a new byte before giving up. */
const FRUITLESS_ATTEMPTS = 3;

interface BlobDownload {
  readonly request: HubRequest;
  readonly url: string;
  readonly file: RemoteFile;
  /** The blob's final path. */
  readonly blob: string;
  readonly limits: RequestLimits;
  readonly retryDelayMs: number;
  /** Called with the number of bytes received so far. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Downloads one blob: resumes an earlier download, verifies the checksum, and then moves the file to its final name.
 * @throws BidoraError `HUB_CHECKSUM`, or `HUB_…` as the client
 */
export async function downloadBlob(download: BlobDownload): Promise<void> {
  if (statOf(download.blob)?.size === download.file.size) return;
  const path = claimPartial(download.blob);
  try {
    await fillPartial(download, path);
    finishPartial(download.blob, path);
  } catch (error) {
    releasePartial(download.blob, path);
    throw error;
  }
}

/** The bytes received so far: the open file, its length and its checksum. */
interface Arrived {
  readonly descriptor: number;
  bytes: number;
  hash: Hash;
}

async function fillPartial(download: BlobDownload, path: string): Promise<void> {
  const descriptor = openSync(path, "a+");
  try {
    const arrived: Arrived = { descriptor, bytes: 0, hash: startHash(download.file) };
    await takeExisting(download, path, arrived);
    await receiveAll(download, arrived);
    fsyncSync(descriptor);
    checkSum(download, path, arrived.hash.digest("hex"));
  } finally {
    closeSync(descriptor);
  }
}

async function takeExisting(download: BlobDownload, path: string, arrived: Arrived): Promise<void> {
  if (fstatSync(arrived.descriptor).size > download.file.size) restart(download, arrived);
  for await (const chunk of createReadStream(path)) {
    arrived.hash.update(chunk as Buffer);
    arrived.bytes += (chunk as Buffer).length;
  }
  download.onBytes(arrived.bytes);
}

async function receiveAll(download: BlobDownload, arrived: Arrived): Promise<void> {
  for (let fruitless = 0; arrived.bytes < download.file.size; ) {
    const before = arrived.bytes;
    try {
      await receive(download, arrived);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      fruitless = arrived.bytes > before ? 0 : fruitless + 1;
      if (fruitless === FRUITLESS_ATTEMPTS)
        throw arrived.bytes === 0 ? error : interrupted(download, arrived.bytes, error);
      await sleep(download.retryDelayMs * 2 ** fruitless, undefined, { signal: download.limits.signal });
    }
  }
}

/** Makes one request for the missing bytes. */
async function receive(download: BlobDownload, arrived: Arrived): Promise<void> {
  const { url, limits, file } = download;
  const request = { ...download.request, file: file.path };
  const headers = { "Accept-Encoding": "identity", ...(arrived.bytes > 0 && { Range: `bytes=${arrived.bytes}-` }) };
  const response = await hubFetch(request, limits, Number.POSITIVE_INFINITY)(url, { headers });
  if (!continues(response, arrived.bytes)) restart(download, arrived);
  if (response.status === 416 || response.body === null) {
    await response.body?.cancel();
    throw unreachable(request, `sent no contents for ${file.path}`);
  }
  await attempt(request, limits, async () => {
    for await (const chunk of response.body!) append(download, arrived, chunk);
  });
  if (arrived.bytes < file.size) throw unreachable(request, `stopped in the middle of ${file.path}`);
}

function continues(response: Response, from: number): boolean {
  if (from === 0) return true;
  return response.status === 206 && response.headers.get("Content-Range")?.startsWith(`bytes ${from}-`) === true;
}

function append(download: BlobDownload, arrived: Arrived, chunk: Uint8Array): void {
  if (arrived.bytes + chunk.length > download.file.size) {
    restart(download, arrived);
    throw tooLong(download);
  }
  try {
    writeAll(arrived.descriptor, chunk);
  } catch (error) {
    throw writeFailure(download.blob, error);
  }
  arrived.hash.update(chunk);
  arrived.bytes += chunk.length;
  download.onBytes(arrived.bytes);
}

function restart(download: BlobDownload, arrived: Arrived): void {
  ftruncateSync(arrived.descriptor, 0);
  arrived.bytes = 0;
  arrived.hash = startHash(download.file);
  download.onBytes(0);
}

/** The etag of a small file is git's SHA-1, over a header with the size and the contents; that of a large one is a plain SHA-256. */
function startHash({ etag, size }: RemoteFile): Hash {
  return etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

function checkSum({ request, file }: BlobDownload, path: string, sum: string): void {
  if (sum === file.etag) return;
  rmSync(path, { force: true });
  throw new BidoraError(
    "HUB_CHECKSUM",
    `${file.path} of ${request.repo} arrived damaged: its checksum is ${sum}, expected ${file.etag}; it was deleted, so run the command again.`,
  );
}

function tooLong({ request, file }: BlobDownload): BidoraError {
  return new BidoraError(
    "HUB_CHECKSUM",
    `${file.path} of ${request.repo} should have ${file.size} bytes, but more arrived; it was deleted, so run the command again.`,
  );
}

function interrupted({ request, file }: BlobDownload, bytes: number, cause: unknown): BidoraError {
  return new BidoraError(
    "HUB_UNREACHABLE",
    `${file.path} of ${request.repo} stopped after ${bytes} of ${file.size} bytes; run the command again to resume.`,
    { cause },
  );
}

/*
 * A running download is named `<blob>.<pid>-<random>.incomplete`, so two processes never write to the same file. A failed one is
 * named `<blob>.incomplete`; the process that renames it first resumes it.
 */

/** Takes over a partial download that no process is writing, if there is one. @returns the path to append to */
function claimPartial(blob: string): string {
  makeFolder(dirname(blob), HUB_CACHE_SETTING);
  const own = `${blob}.${process.pid}-${randomBytes(4).toString("hex")}.incomplete`;
  for (const left of abandoned(blob)) {
    try {
      renameSync(left, own);
      break;
    } catch {
      // Another process took it first.
    }
  }
  return own;
}

/** Keeps a failed download for the next attempt. */
function releasePartial(blob: string, own: string): void {
  try {
    renameSync(own, `${blob}.incomplete`);
  } catch {
    // There is nothing to keep: it failed before the first byte, or its contents were wrong.
  }
}

/** Moves a complete and verified download to its final name. */
function finishPartial(blob: string, own: string): void {
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
