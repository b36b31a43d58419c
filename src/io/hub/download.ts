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
import { BidoraError } from "../../common/errors.js";
import { makeFolder, statOf, writeFailure } from "../../common/fileSystem.js";
import { writeAll } from "../../files/atomic.js";
import { isAlive } from "../../files/folderLock.js";
import { attempt, hubFetch, type RemoteFile, type RequestLimits } from "./client.js";
import { type HubQuestion, isUnreachable, unreachable } from "./errors.js";
import { HUB_CACHE_SETTING } from "./options.js";

/** Attempts in a row without a single new byte before giving up. */
const FRUITLESS_ATTEMPTS = 3;

export interface BlobDownload {
  readonly question: HubQuestion;
  readonly url: string;
  readonly file: RemoteFile;
  /** The blob's final path. */
  readonly blob: string;
  readonly limits: RequestLimits;
  readonly retryDelayMs: number;
  /** Told of the bytes of this file that are there, from the start and from now on. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Fetches one blob: goes on where an earlier download broke off, checks the sum, and only then gives it its name.
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

/** What has arrived: the open file, its length, and the sum over it. */
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
        throw arrived.bytes === 0 ? error : brokenOff(download, arrived.bytes, error);
      await sleep(download.retryDelayMs * 2 ** fruitless, undefined, { signal: download.limits.signal });
    }
  }
}

/** One request for what is missing. */
async function receive(download: BlobDownload, arrived: Arrived): Promise<void> {
  const { url, limits, file } = download;
  const question = { ...download.question, file: file.path };
  const headers = { "Accept-Encoding": "identity", ...(arrived.bytes > 0 && { Range: `bytes=${arrived.bytes}-` }) };
  const response = await hubFetch(question, limits, Number.POSITIVE_INFINITY)(url, { headers });
  if (!continues(response, arrived.bytes)) restart(download, arrived);
  if (response.status === 416 || response.body === null) {
    await response.body?.cancel();
    throw unreachable(question, `gave no contents for ${file.path}`);
  }
  await attempt(question, limits, async () => {
    for await (const chunk of response.body!) append(download, arrived, chunk);
  });
  if (arrived.bytes < file.size) throw unreachable(question, `broke off ${file.path}`);
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

/** Git names a small file by the SHA-1 of a line with its size, then its contents; a large one by its plain SHA-256. */
function startHash({ etag, size }: RemoteFile): Hash {
  return etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

function checkSum({ question, file }: BlobDownload, path: string, sum: string): void {
  if (sum === file.etag) return;
  rmSync(path, { force: true });
  throw new BidoraError(
    "HUB_CHECKSUM",
    `${file.path} of ${question.repo} arrived damaged: its checksum is ${sum}, expected ${file.etag}; it was thrown away, so run the command again.`,
  );
}

function tooLong({ question, file }: BlobDownload): BidoraError {
  return new BidoraError(
    "HUB_CHECKSUM",
    `${file.path} of ${question.repo} has ${file.size} bytes by its listing, but more arrived; it was thrown away, so run the command again.`,
  );
}

function brokenOff({ question, file }: BlobDownload, bytes: number, cause: unknown): BidoraError {
  return new BidoraError(
    "HUB_UNREACHABLE",
    `${file.path} of ${question.repo} broke off after ${bytes} of ${file.size} bytes; run the command again to go on from there.`,
    { cause },
  );
}

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
