// Shapes: A [r, in], B [out, r]; of an embedding A [r, tokens], B [dim, r].
import type { LowRankUpdate } from "../../adapters/index.js";
import { typeOf } from "../../io/gguf/quantize.js";
import type { GgufEntry } from "../../io/gguf/writer.js";
import type { TaskModel } from "../../models/index.js";
import { untied } from "../../models/modelFolder.js";
import * as torch from "../../torch/index.js";
import { type Layout, laidOut, nameOf } from "./modelTensors.js";
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
export function loraTensors(updates: readonly LowRankUpdate[], model: TaskModel, layout: Layout): LoraTensors {
  const alpha = commonAlpha(updates);
  const tensors = updates.flatMap((update) => {
    const path = `${update.path}.weight`;
    refuseTied(path, model);
    const name = nameOf(layout.architecture, path);
    const factor = (update.scale * update.rank) / alpha;
    const a = update.kind === "embedding" ? () => torch.t(update.a) : () => update.a;
    const b = () => laidOut(times(update.b, factor), name, layout);
    return [entry(`${name}.lora_a`, a, layout), entry(`${name}.lora_b`, b, layout)];
  });
  return { alpha, tensors };
}

/** The first module's alpha, so that B stays as it is where all have the same; 0 means no scale to llama.cpp. */
const commonAlpha = (updates: readonly LowRankUpdate[]): number =>
  updates.map(({ scale, rank }) => Math.fround(scale * rank)).find((alpha) => alpha !== 0) ?? 1;

function times(values: torch.Tensor, factor: number): torch.Tensor {
  if (factor === 1) return torch.castTo(values, "float32");
  return torch.castTo(torch.mulScalar(torch.castTo(values, "float64"), factor), "float32");
}

function entry(name: string, tensor: () => torch.Tensor, { fileType }: Layout): GgufEntry {
  const { shape } = torch.noGrad(tensor);
  return { name, type: typeOf(fileType, shape), shape, tensor: () => torch.noGrad(tensor) };
}

/** llama.cpp would put an update of the shared table where it does not fit. */
function refuseTied(path: string, model: TaskModel): void {
  if (untied({ model, changed: new Map([[path, () => model.outputLayer.weight.tensor]]) }).length === 0) return;
  throw exportError(
    `the adapter changes ${path}, which the model's embeddings and its output share, and llama.cpp's adapters can't change one of ` +
      "them alone: take --to gguf, which parts them.",
  );
}
