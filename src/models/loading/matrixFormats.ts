/** In which formats a model's matrices are. */

import { isWithin, PackedWeight, type Weight } from "../nn/index.js";
import type { TaskModel } from "../taskModel.js";
import { matricesOf } from "./holdings.js";

/** The number of matrices by their format. */
export type MatrixFormats = Readonly<Record<string, number>>;

export const DENSE = "dense";

/** Counts the backbone's matrices: those of linear layers, and of embeddings and outputs those that are packed. */
export function matrixFormats(model: TaskModel): MatrixFormats {
  const isOfHead = (path: string) => model.headModules.some((module) => isWithin(path, module));
  const [linear, tables] = matricesOf(model);
  const parameters = new Map(Array.from(model.baseParameters(), ([path, parameter]) => [parameter, path]));
  const counts: Record<string, number> = {};
  for (const [parameter, path] of parameters) {
    if (isOfHead(path) || !parameter.isFilled) continue;
    const format = formatOf(parameter.values);
    if (linear.has(parameter) || (tables.has(parameter) && format !== DENSE))
      counts[format] = (counts[format] ?? 0) + 1;
  }
  return counts;
}

/** A packed matrix's format, with its block sizes if they are not those of matrices that are packed here. */
function formatOf(values: Weight): string {
  if (!(values instanceof PackedWeight)) return DENSE;
  const { format, block } = values;
  return block.join() === format.block.join() ? format.name : [format.name, ...block].join("/");
}
