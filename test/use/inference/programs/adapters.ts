import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  ADAPTER_METHODS,
  type AdapterConfig,
  type AdapterMethod,
  type AdapterMethodName,
  inject,
  savedTensors,
  writeAdapter,
} from "../../../../src/models/adapters/index.js";
import { loadModel } from "../../../../src/models/index.js";
import { causalLm } from "../../../../src/tasks/causalLm.js";
import type { Task } from "../../../../src/tasks/index.js";
import * as torch from "../../../../src/torch/index.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";

export const LLAMA = join(GOLDEN, "llama", "lm");

/** A new adapter in a folder, by default of the small Llama as a language model. */
export async function adapterOf(
  method: AdapterMethodName,
  settings: object = {},
  { base, task, taskType } = { base: LLAMA, task: causalLm as Task, taskType: "CAUSAL_LM" },
): Promise<string> {
  const generator = new torch.Generator(1);
  const kind = { head: task.head, outputs: 0, initWeights: "pretrained-head" } as const;
  const { model } = await loadModel(base, { ...kind, dtype: "float32", generator });
  const { config: configOf } = ADAPTER_METHODS[method] as unknown as AdapterMethod;
  const defaults = { targetModules: ["q_proj", "v_proj"], ...(method === "ia3" && { feedforwardModules: [] }) };
  const config: AdapterConfig = configOf({ ...defaults, ...settings } as Partial<AdapterConfig>);
  const adapted = inject(model, config, { generator });
  const folder = freshPath(method);
  mkdirSync(folder, { recursive: true });
  const origin = { taskType, baseModel: base, revision: undefined };
  writeAdapter(folder, { config: adapted.config, tensors: savedTensors(adapted), metadata: undefined, ...origin });
  return folder;
}
