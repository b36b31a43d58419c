/** The tensors of a GGUF file, of a model or a LoRA. */

import { type FileType, type GgufEntry, ROPE_FACTORS, typeOf } from "../../../formats/gguf/index.js";
import type { LowRankUpdate } from "../../../models/adapters/index.js";
import { type TaskModel, untied } from "../../../models/index.js";
import * as torch from "../../../torch/index.js";
import { exportError, type TensorForm } from "./form.js";

/** Functions that compute parameters to write instead of the model's, by path. */
type Changed = ReadonlyMap<string, () => torch.Tensor>;

/** How tensors are written, and in which data type. */
interface Layout {
  readonly form: TensorForm;
  readonly fileType: FileType;
}

/**
 * A model's parameters as llama.cpp's converter writes them.
 * @throws BidoraError `EXPORT` for a parameter that has no name in GGUF files
 */
export function modelTensors(model: TaskModel, { form, fileType }: Layout, changed: Changed): GgufEntry[] {
  return [...model.baseParameters(), ...untied({ model, changed })].map(([path, parameter]) => {
    const value = changed.get(path) ?? (() => parameter.values.dense());
    const name = nameOf(form, path);
    const rows = form.rowsOf?.(name);
    const part = (whole: torch.Tensor) => (rows ? torch.narrow(whole, 0, rows.start, rows.length) : whole);
    const shape = rows ? [rows.length, ...parameter.shape.slice(1)] : parameter.shape;
    const type = form.isFloat32?.(name) ? "F32" : typeOf(fileType, shape);
    const tensor = () => torch.noGrad(() => form.laidOut(part(torch.castTo(value(), "float32")), name));
    return { name, type, shape, tensor };
  });
}

/** A parameter's name in GGUF files. @throws BidoraError `EXPORT` if it has none */
function nameOf(form: TensorForm, path: string): string {
  const name = form.nameOf(path);
  if (name === undefined) throw exportError(`llama.cpp's ${form.name} has no tensor for ${path}.`);
  return name;
}

/** The divisors of the RoPE frequencies as a tensor. */
export function factorsTensor(factors: readonly number[]): GgufEntry {
  return {
    name: ROPE_FACTORS,
    type: "F32",
    shape: [factors.length],
    tensor: () => torch.tensor(Float32Array.from(factors)),
  };
}

// Shapes: A [r, in], B [out, r]; for an embedding A [r, tokens], B [dim, r].

interface LoraTensors {
  /** `adapter.lora.alpha`: llama.cpp multiplies a product of rank r by alpha / r. */
  readonly alpha: number;
  readonly tensors: readonly GgufEntry[];
}

/**
 * Updates in llama.cpp's format. It has a single alpha, so other scales are multiplied into B.
 * @throws BidoraError `EXPORT` for a module that llama.cpp's adapters can't change
 */
export function loraTensors(updates: readonly LowRankUpdate[], model: TaskModel, layout: Layout): LoraTensors {
  const alpha = commonAlpha(updates);
  const tensors = updates.flatMap((update) => {
    const path = `${update.path}.weight`;
    refuseTied(path, model);
    const name = nameOf(layout.form, path);
    const factor = (update.scale * update.rank) / alpha;
    const a = update.kind === "embedding" ? () => torch.t(update.a) : () => update.a;
    const b = () => layout.form.laidOut(times(update.b, factor), name);
    return [entry(`${name}.lora_a`, a, layout), entry(`${name}.lora_b`, b, layout)];
  });
  return { alpha, tensors };
}

/** The first module's alpha, so that B is unchanged if all modules have this alpha. llama.cpp takes 0 as no scale. */
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

/** llama.cpp would apply an update of a tied table to the other use of it too. */
function refuseTied(path: string, model: TaskModel): void {
  if (untied({ model, changed: new Map([[path, () => model.outputLayer.weight.values.dense()]]) }).length === 0) return;
  throw exportError(
    `the adapter changes ${path}, which ties the model's embeddings and output matrix, and llama.cpp's adapters can't change only one of ` +
      "them: use --to gguf, which unties them.",
  );
}
