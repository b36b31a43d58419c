import { packedParts } from "../../src/formats/weights.js";
import { BASE_DTYPES, type WeightFormat } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { random } from "./random.js";

/** Random values in a quantization format, as `torch.packedWeight` takes them. */
export function packedRandom(shape: readonly [number, number], format: WeightFormat): readonly torch.Tensor[] {
  const isMadeHere = (BASE_DTYPES as readonly string[]).includes(format.name);
  return isMadeHere ? packedParts(random(shape, "float32"), format.name, format.block) : [randomBlocks(shape, format)];
}

/** The bits of a float16. */
const SCALE = new Uint16Array(torch.tensor([0.01], [1], "float16").bytes().buffer)[0]!;
/** The places of float16 scales in ggml's blocks. */
const SCALES: Readonly<Record<string, readonly number[]>> = { q4_k: [0, 2], q5_k: [0, 2], q6_k: [208] };

/** Random codes in ggml's blocks, with scales that are the same everywhere. */
function randomBlocks(shape: readonly [number, number], { name, elements, bytesOf }: WeightFormat): torch.Tensor {
  const places = SCALES[name];
  if (!places) throw new Error(`The places of the scales of ${name} are not known.`);
  const blockBytes = bytesOf([1, elements]);
  const bytes = Uint8Array.from({ length: bytesOf(shape) }, () => Math.random() * 256);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < bytes.length; block += blockBytes)
    for (const place of places) view.setUint16(block + place, SCALE, true);
  return torch.fromBytes(bytes, [bytes.length], "uint8");
}
