/** Writes a graph as ONNX files, one tensor at a time. */
import { basename, dirname, join } from "node:path";
import { BidoraError } from "../../../../base/index.js";
import { writeAll, writeAtomic } from "../../../../base/records/index.js";
import * as torch from "../../../../torch/index.js";
import type { Graph, Initializer } from "./graph.js";
import { externalInitializer, graphFields, initializerHeader, modelHeader } from "./protobuf.js";

export interface WrittenGraph {
  /** The size of all files. */
  readonly bytes: number;
  /** The number of data files next to the graph's, which hold the weights of a large model. */
  readonly dataFiles: number;
}

/** Protocol buffers have less than 2 GiB; a browser's buffers too. */
export const MOST_BYTES = 2_000_000_000;

/** Smaller tensors stay in the graph's file, where onnxruntime needs shapes and axes. */
const SMALL_BYTES = 1024;

/** The size of a memory page, so that data files can be mapped. */
const ALIGNMENT = 4096;

/**
 * Writes a graph to `path`, and the weights of one that is larger than `mostBytes` to data files next to it, which are named as
 * transformers.js expects: `model.onnx_data`, `model.onnx_data_1`, …
 * @throws BidoraError `NOT_FINITE` for weights that are not finite
 */
export function writeGraph(path: string, graph: Graph, mostBytes: number): WrittenGraph {
  const total = graph.initializers.reduce((sum, initializer) => sum + bytesOf(initializer), 0);
  return total > mostBytes ? writeWithData(path, graph, mostBytes) : writeWhole(path, graph);
}

const bytesOf = ({ shape, dtype }: Initializer): number => torch.numelOf(shape) * torch.DTYPE_BYTES[dtype];

/** Bytes to write, or an initializer, whose values are then computed. */
type Piece = Uint8Array | Initializer;

const lengthOf = (piece: Piece): number => (piece instanceof Uint8Array ? piece.length : bytesOf(piece));

function writeWhole(path: string, graph: Graph): WrittenGraph {
  const tensors = graph.initializers.flatMap((own) => [initializerHeader(own, bytesOf(own)), own]);
  return { bytes: writeModel(path, graph, tensors), dataFiles: 0 };
}

/** Writes the graph's file. @param tensors its initializers, as fields @returns its size */
function writeModel(path: string, graph: Graph, tensors: readonly Piece[]): number {
  const body = [graphFields(graph), ...tensors];
  const length = body.reduce((sum, piece) => sum + lengthOf(piece), 0);
  return writePieces(path, [modelHeader(graph, length), ...body]);
}

function writePieces(path: string, pieces: readonly Piece[]): number {
  let position = 0;
  writeAtomic(path, (descriptor) => {
    for (const piece of pieces) {
      if (piece instanceof Uint8Array) writeAll(descriptor, piece, position);
      else writeValues(descriptor, position, piece);
      position += lengthOf(piece);
    }
  });
  return position;
}

function writeValues(descriptor: number, position: number, { name, dtype, shape, tensor }: Initializer): void {
  torch.noGrad(() =>
    torch.scope(() => {
      const values = tensor();
      if (values.dtype !== dtype || !torch.sameShape(values.shape, shape))
        throw new BidoraError("EXPORT", `${name} is ${values.dtype} [${values.shape}]; expected ${dtype} [${shape}].`);
      if (dtype.startsWith("float") && !torch.isAllFinite(values)) throw notFinite(name, dtype);
      torch.writeFile(torch.contiguous(values), descriptor, position);
    }),
  );
}

const notFinite = (name: string, dtype: string): BidoraError =>
  new BidoraError(
    "NOT_FINITE",
    `${name} would contain values that are not finite in ${dtype}, so the model was not written.`,
  );

/** An initializer's place in the data files. */
interface Place {
  readonly initializer: Initializer;
  readonly file: number;
  readonly offset: number;
}

function writeWithData(path: string, graph: Graph, mostBytes: number): WrittenGraph {
  const places = placesOf(graph, mostBytes);
  const nameOf = (file: number) => `${basename(path)}_data${file === 0 ? "" : `_${file}`}`;
  const placed = new Map(places.map((place) => [place.initializer, place]));
  const tensors = graph.initializers.flatMap((own): Piece[] => {
    const place = placed.get(own);
    if (!place) return [initializerHeader(own, bytesOf(own)), own];
    return [externalInitializer(own, { file: nameOf(place.file), offset: place.offset, bytes: bytesOf(own) })];
  });
  const dataFiles = 1 + Math.max(...places.map(({ file }) => file));
  let bytes = writeModel(path, graph, tensors);
  for (let file = 0; file < dataFiles; file++) {
    const held = places.filter((place) => place.file === file);
    bytes += writePieces(join(dirname(path), nameOf(file)), paddedPieces(held));
  }
  return { bytes, dataFiles };
}

/** Lays the larger initializers into files of up to `mostBytes`, each on page boundaries. */
function placesOf({ initializers }: Graph, mostBytes: number): Place[] {
  let [file, end] = [0, 0];
  const large = initializers.filter((own) => bytesOf(own) > SMALL_BYTES);
  return large.map((initializer) => {
    if (end > 0 && end + bytesOf(initializer) > mostBytes) [file, end] = [file + 1, 0];
    const offset = end;
    end += Math.ceil(bytesOf(initializer) / ALIGNMENT) * ALIGNMENT;
    return { initializer, file, offset };
  });
}

/** The initializers of one file, with zeros up to the next one's offset. */
function paddedPieces(places: readonly Place[]): Piece[] {
  return places.flatMap(({ initializer, offset }, i): Piece[] => {
    const next = places[i + 1]?.offset;
    if (next === undefined) return [initializer];
    return [initializer, new Uint8Array(next - offset - bytesOf(initializer))];
  });
}
