// Shapes: A [r, in], B [out, r]; of an embedding A [r, tokens], B [dim, r].
import type { LowRankUpdate } from "../../adapters/index.js";
import { typeOf } from "../../io/gguf/fileTypes.js";
import type { GgufEntry } from "../../io/gguf/writer.js";
import * as torch from "../../torch/index.js";
import { type Layout, laidOut, nameOf, OUTPUT_PATH, TABLE_PATH } from "./modelTensors.js";
import { exportError } from "./refuse.js";

export interface LoraTensors {
  /** `adapter.lora.alpha`: llama.cpp multiplies a product of rank r by alpha / r. */
  readonly alpha: number;
  readonly tensors: readonly GgufEntry[];
}

/**
 * Updates as llama.cpp takes them. Its scale has one alpha for all, so that what a module has otherwise goes into its B.
 * @throws BidoraError `EXPORT` for a module that llama.cpp's adapters can't change
 */
export function loraTensors(updates: readonly LowRankUpdate[], layout: Layout): LoraTensors {
  const alpha = sharedAlpha(updates);
  const tensors = updates.flatMap((update) => {
    const path = `${update.path}.weight`;
    refuseTied(path, layout);
    const name = nameOf(layout.architecture, path);
    const factor = (update.scale * update.rank) / alpha;
    const a = update.kind === "embedding" ? () => torch.t(update.a) : () => update.a;
    const b = () => laidOut(times(update.b, factor), name, layout);
    return [entry(`${name}.lora_a`, a, layout), entry(`${name}.lora_b`, b, layout)];
  });
  return { alpha, tensors };
}

/** The alpha that all modules have, so that their B stay as they are; of several, and for 0, which means none to llama.cpp, a rank. */
function sharedAlpha(updates: readonly LowRankUpdate[]): number {
  const [first, ...others] = updates.map(({ scale, rank }) => Math.fround(scale * rank));
  if (first !== undefined && first !== 0 && others.every((alpha) => alpha === first)) return first;
  return Math.max(...updates.map(({ rank }) => rank));
}

function times(values: torch.Tensor, factor: number): torch.Tensor {
  if (factor === 1) return torch.castTo(values, "float32");
  return torch.castTo(torch.mulScalar(torch.castTo(values, "float64"), factor), "float32");
}

function entry(name: string, tensor: () => torch.Tensor, { fileType }: Layout): GgufEntry {
  const { shape } = torch.noGrad(tensor);
  return { name, type: typeOf(fileType, shape), shape, tensor: () => torch.noGrad(tensor) };
}

/** llama.cpp would put an update of the shared table where it does not fit. */
function refuseTied(path: string, { config }: Layout): void {
  if (!config.tiesEmbeddings || (path !== TABLE_PATH && path !== OUTPUT_PATH)) return;
  throw exportError(
    `the adapter changes ${path}, which the model's embeddings and its output share, and llama.cpp's adapters can't change one of ` +
      "them alone: take --to gguf, which parts them.",
  );
}
