/** Why a model can't be written in a format, as far as its configuration says it: before weights are read. */
import { UsageError } from "../../base/index.js";
import type { NamedTask } from "../../tasks/index.js";
import { findModel } from "../inference/open.js";
import { refuseOtherHeads, writableModel } from "./gguf/exportGguf.js";
import { HEADLESS, MERGED_ONLY, PACKED_BASE } from "./gguf/exportLora.js";
import { exportError } from "./gguf/form.js";
import { graphFamilyOf } from "./onnx/exportedModel.js";

interface Refusable {
  readonly model?: string | undefined;
  readonly adapter?: string | undefined;
}

/**
 * @param named what the model is for
 * @returns the sentence with which `export` refuses a format; a format that is not in it may still be refused for its weights
 * @throws BidoraError as `findModel`
 */
export async function whyNotExported(
  names: Refusable,
  named: NamedTask,
): Promise<Partial<Record<"gguf" | "gguf-lora" | "onnx", string>>> {
  const { folder, adapter } = await findModel(names);
  for (const tensor of adapter?.tensors.values() ?? []) tensor.dispose();
  const head = { ...named, labels: [] };
  const gguf = sentenceOf(() => refuseOtherHeads(head, writableModel(folder)));
  const lora = sentenceOf(() => {
    if (adapter?.metadata?.initLoraWeights === "loftq") throw exportError(PACKED_BASE);
    if (named.task.embedding) throw new UsageError(MERGED_ONLY);
    if (named.task.reranking) throw new UsageError(HEADLESS);
  });
  const onnx = sentenceOf(() => graphFamilyOf(folder));
  return { ...entry("gguf", gguf), ...entry("gguf-lora", gguf ?? lora), ...entry("onnx", onnx) };
}

const entry = <K extends string>(key: K, sentence: string | undefined) =>
  (sentence === undefined ? {} : { [key]: sentence }) as Partial<Record<K, string>>;

function sentenceOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
