import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  BidoraError,
  CONFIG_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX,
} from "../../base/index.js";
import { noWeights } from "../modelFiles.js";
import {
  blobPath,
  cachedCommit,
  isCommit,
  isComplete,
  isWholeSnapshot,
  linkIntoSnapshot,
  recordMissing,
  repoFolder,
  shardsOf,
  snapshotFolder,
  writeRef,
} from "./cache.js";
import { fileUrl, findCommit, listRemoteFiles, type RemoteFile, type RequestLimits } from "./client.js";
import { downloadBlob } from "./download.js";
import { type HubRequest, isUnreachable, notCached } from "./errors.js";
import { type HubOptions, hubSettings } from "./options.js";

/** Files of configuration, tokenizer, adapters and sentence-transformers' modules, which are small and downloaded whenever they exist. */
const SMALL_FILES =
  /^((adapter_|generation_)?config|special_tokens_map|added_tokens|vocab|tokenizer[\w-]*|chat_template|bidora[\w-]*|modules|config_sentence_transformers|sentence_[\w-]+_config|\d+_\w+\/config)\.json$|^(vocab|merges)\.txt$|^chat_template\.jinja$|^[^/]+\.model$/;

const isSmall = (path: string): boolean => SMALL_FILES.test(path);

/** Far more than any vocabulary needs, and little enough to be read as a whole. */
const MAX_SMALL_BYTES = 2 ** 28;

/**
 * The folder of a Hub repository in the cache that Python's huggingface_hub uses. It is downloaded first if it is missing or the
 * revision has a new commit. Only files that a model, its tokenizer or an adapter needs are downloaded.
 * @throws BidoraError `HUB_…`; `WEIGHTS` if the repository has no safetensors
 */
export async function hubSnapshot(repo: string, options: HubOptions = {}): Promise<string> {
  const request = requestOf(repo, options);
  const { revision, settings } = request;
  const folder = repoFolder(settings, repo);
  const known = cachedCommit(folder, revision);
  const cached =
    known !== undefined && isWholeSnapshot(snapshotFolder(folder, known)) ? snapshotFolder(folder, known) : undefined;
  if (cached !== undefined && (settings.offline || (isCommit(revision) && isComplete(folder, revision)))) return cached;
  if (settings.offline) throw notCached(request);
  try {
    return await updateSnapshot(request, folder, options);
  } catch (error) {
    if (cached === undefined || !isUnreachable(error)) throw error;
    options.onNote?.(`${error.message} The copy in the cache is used.`);
    return cached;
  }
}

function requestOf(repo: string, options: HubOptions): HubRequest {
  const settings = hubSettings(options.environment);
  const revision = options.revision ?? "main";
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(revision) || revision.includes("..")) {
    throw new BidoraError(
      "HUB_NOT_FOUND",
      `'${revision}' cannot be a revision: expected a branch, a tag or a full commit hash.`,
    );
  }
  return {
    repo,
    revision,
    settings: { ...settings, token: options.token ?? settings.token, offline: options.offline ?? settings.offline },
  };
}

async function updateSnapshot(request: HubRequest, folder: string, options: HubOptions): Promise<string> {
  const limits: RequestLimits = { timeoutMs: options.timeoutMs ?? 10_000, signal: options.signal };
  const { hash: commit, paths } = await findCommit(request, limits);
  const snapshot = snapshotFolder(folder, commit);
  if (!isComplete(folder, commit, paths.filter(isSmall)))
    await fetchSnapshot({ request, folder, commit, limits, options });
  // Last, so that after an interrupted download the branch still points to its complete snapshot.
  writeRef(folder, request.revision, commit);
  return snapshot;
}

interface SnapshotDownload {
  readonly request: HubRequest;
  readonly folder: string;
  readonly commit: string;
  readonly limits: RequestLimits;
  readonly options: HubOptions;
}

async function fetchSnapshot(download: SnapshotDownload): Promise<void> {
  const { request, folder, commit, limits } = download;
  const listed = await listRemoteFiles(request, commit, limits);
  const names = new Set(listed.map((file) => file.path));
  checkContents(request, names);
  const fetchFiles = fetcher(download, listed);
  const sharded = !names.has(WEIGHTS_FILE) && names.has(WEIGHTS_INDEX);
  const whole = [WEIGHTS_FILE, ADAPTER_WEIGHTS].filter((name) => names.has(name));
  await fetchFiles([...smallFiles(request, listed), ...(sharded ? [WEIGHTS_INDEX] : []), ...whole]);
  if (sharded) await fetchFiles(shardsOf(snapshotFolder(folder, commit)));
  recordMissing(folder, commit, names);
}

function smallFiles({ repo }: HubRequest, listed: readonly RemoteFile[]): string[] {
  const files = listed.filter(({ path }) => isSmall(path));
  const large = files.find((file) => file.size > MAX_SMALL_BYTES);
  if (large === undefined) return files.map((file) => file.path);
  throw new BidoraError(
    "HUB_FAILED",
    `${large.path} of ${repo} has ${large.size} bytes; such a file should have at most ${MAX_SMALL_BYTES}.`,
  );
}

/** Checks that a repository holds a model, before anything large is downloaded. */
function checkContents({ repo }: HubRequest, names: ReadonlySet<string>): void {
  if (!names.has(CONFIG_FILE) && !names.has(ADAPTER_CONFIG)) {
    throw new BidoraError(
      "HUB_FAILED",
      `${repo} has neither config.json nor ${ADAPTER_CONFIG}, so it holds no model for transformers.`,
    );
  }
  if (![WEIGHTS_FILE, WEIGHTS_INDEX, ADAPTER_WEIGHTS].some((name) => names.has(name))) throw noWeights(repo, names);
}

/** A function that downloads files one after the other into the snapshot and reports their total progress. */
function fetcher({ request, folder, commit, limits, options }: SnapshotDownload, listed: readonly RemoteFile[]) {
  const byName = new Map(listed.map((file) => [file.path, file]));
  let finished = 0;
  let total = 0;
  return async (names: readonly string[]): Promise<void> => {
    const files = names.map((name) => byName.get(name) ?? missing(request, name));
    total += files.reduce((sum, file) => sum + file.size, 0);
    for (const file of files) {
      await downloadBlob({
        request,
        url: fileUrl(request, commit, file.path),
        file,
        blob: blobPath(folder, file.etag),
        limits,
        retryDelayMs: options.retryDelayMs ?? 1000,
        onBytes: (bytes) =>
          options.onProgress?.({ file: file.path, receivedBytes: finished + bytes, totalBytes: total }),
      });
      linkIntoSnapshot(folder, commit, file.path, file.etag);
      finished += file.size;
    }
  };
}

function missing({ repo }: HubRequest, name: string): never {
  throw new BidoraError("HUB_FAILED", `${repo} names the shard ${name} in ${WEIGHTS_INDEX}, but has no such file.`);
}
