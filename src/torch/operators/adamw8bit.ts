// AdamW with its moments in 8 bits, quantized as by bitsandbytes (arXiv 2110.02861, section 2): each block of 256 elements has a scale, its
// largest absolute value, and each element the index of the value nearest to its share of that scale, of 256 values. A second moment that is
// not 0 is never stored as 0, unlike on bitsandbytes' GPUs: the next step would divide the first moment by almost nothing.
import * as torch from "../index.js";
import { usesKernel } from "./choose.js";
import type { AdamWNumbers } from "./optimizerStep.js";

/** Elements that share a scale. */
export const STATE_BLOCK = 256;

type Tensors = readonly torch.Tensor[];

/** A moment of each parameter: `codes` of its shape, and `scales` [blocks]. */
interface Moments {
  readonly codes: Tensors;
  readonly scales: Tensors;
}

/** The tensors that a step updates in place. */
interface AdamW8bitTensors {
  readonly parameters: Tensors;
  readonly gradients: Tensors;
  readonly means: Moments;
  readonly meanSquares: Moments;
}

/**
 * The 256 values of bitsandbytes' `create_dynamic_map`, ascending: 0, 1, and means between evenly spaced numbers in seven decades, twice as
 * many in each as in the one below. Rounded as there, to the last bit.
 */
function dynamicMap(isSigned: boolean): Float32Array {
  const positive = Array.from({ length: 7 }, (_, decade) => {
    const evenly = spaced(2 ** (isSigned ? decade : decade + 1));
    const power = Math.fround(10 ** (decade - 6));
    return evenly.slice(1).map((end, i) => Math.fround(power * Math.fround((end + evenly[i]!) / 2)));
  }).flat();
  const values = isSigned ? [...positive, ...positive.map((value) => -value)] : positive;
  return Float32Array.from([0, 1, ...values]).sort();
}

/** `torch.linspace(0.1, 1, count + 1)` */
function spaced(count: number): number[] {
  const first = Math.fround(0.1);
  const step = Math.fround(Math.fround(1 - first) / count);
  return Array.from({ length: count + 1 }, (_, i) =>
    Math.fround(i < Math.floor((count + 1) / 2) ? first + i * step : 1 - (count - i) * step),
  );
}

/** The values of codes: of the first moment, and of the second, which is never negative. */
export const CODE_VALUES = { signed: dynamicMap(true), unsigned: dynamicMap(false) } as const;

/** One AdamW step in place. @param step its number, from 1 */
export function adamw8bit(tensors: AdamW8bitTensors, step: number, numbers: AdamWNumbers): void {
  const { parameters, gradients, means, meanSquares } = tensors;
  torch.noGrad(() =>
    torch.scope(() => {
      if (parameters.every((parameter) => usesKernel(parameter))) {
        const values = [torch.tensor(CODE_VALUES.signed), torch.tensor(CODE_VALUES.unsigned)] as const;
        const moments = [means.codes, means.scales, meanSquares.codes, meanSquares.scales] as const;
        torch.adamw8bit_(parameters, gradients, ...moments, ...values, step, numbers);
        return;
      }
      for (const [i, parameter] of parameters.entries())
        torch.scope(() => stepOne(parameter, gradients[i]!, [at(means, i), at(meanSquares, i)], step, numbers));
    }),
  );
}

/** The moment of one parameter. */
interface Moment {
  readonly codes: torch.Tensor;
  readonly scales: torch.Tensor;
}

const at = ({ codes, scales }: Moments, i: number): Moment => ({
  codes: codes[i]!,
  scales: scales[i]!,
});

/** The formula. Computes in float32, or in float64 for a float64 parameter. */
function stepOne(
  parameter: torch.Tensor,
  gradient: torch.Tensor,
  [mean, meanSquare]: readonly [Moment, Moment],
  step: number,
  { lr, beta1, beta2, weightDecay, epsilon }: AdamWNumbers,
): void {
  const dtype = torch.wideDtype(parameter.dtype);
  const g = torch.castTo(gradient, dtype);
  const m = torch.mulScalar(decoded(mean, CODE_VALUES.signed, dtype), beta1);
  torch.add_(m, g, { alpha: 1 - beta1 });
  const v = torch.mulScalar(decoded(meanSquare, CODE_VALUES.unsigned, dtype), beta2);
  torch.add_(v, torch.mul(torch.mulScalar(g, 1 - beta2), g));
  const root = torch.divScalar(torch.sqrt(v), Math.sqrt(1 - beta2 ** step));
  const change = torch.div(torch.mulScalar(m, lr / (1 - beta1 ** step)), torch.addScalar(root, epsilon));
  const decayed = torch.mulScalar(torch.castTo(parameter, dtype), 1 - lr * weightDecay);
  torch.copy_(parameter, torch.sub(decayed, change));
  encode(m, mean, CODE_VALUES.signed);
  encode(v, meanSquare, CODE_VALUES.unsigned);
}

function decoded({ codes, scales }: Moment, values: Float32Array, dtype: torch.DType): torch.Tensor {
  const { shape, numel, device } = codes;
  const flat = torch.castTo(torch.reshape(codes, [numel]), "int32");
  const shares = torch.indexSelect(torch.onDevice(torch.tensor(values), device), 0, flat);
  const perElement = torch.narrow(torch.repeatInterleave(scales, STATE_BLOCK, 0), 0, 0, numel);
  return torch.castTo(torch.reshape(torch.mul(shares, perElement), shape), dtype);
}

/** The smallest float32 whose reciprocal is finite and exact to the last bit. */
const SMALLEST_SCALE = 2 ** -126;

/** In the middle between two values it is the lower one's code; a block of zeros has codes 0. */
function encode(moment: torch.Tensor, { codes, scales }: Moment, values: Float32Array): void {
  const { numel, shape, device } = moment;
  const blocks = scales.numel;
  const missing = torch.zeros([blocks * STATE_BLOCK - numel], { dtype: moment.dtype, device });
  const padded = torch.reshape(torch.cat([torch.reshape(moment, [numel]), missing]), [blocks, STATE_BLOCK]);
  torch.copy_(scales, torch.linalgVectorNorm(padded, Number.POSITIVE_INFINITY, [1]));
  const inverse = torch.unsqueeze(torch.reciprocal(torch.clampMin(scales, SMALLEST_SCALE)), 1);
  const shares = torch.mul(torch.castTo(padded, "float32"), inverse);
  const nearest = torch.bucketize(shares, torch.onDevice(torch.tensor(middlesOf(values)), device), { outInt32: true });
  const known = torch.mul(nearest, torch.unsqueeze(torch.gtScalar(scales, 0), 1));
  torch.copy_(codes, torch.reshape(torch.narrow(torch.reshape(known, [-1]), 0, 0, numel), shape));
}

/** Of numbers that are never negative, only 0 is stored as 0: a step divides by their roots. */
const middlesOf = (values: Float32Array): Float32Array =>
  values.subarray(1).map((value, i) => (i === 0 && values[0] === 0 ? 0 : Math.fround(value + values[i]!) / 2));
