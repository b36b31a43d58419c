// 16-bit floats as 32-bit ones and back, by their bits.

const HALVES = 2 ** 16;
let table: Float32Array | undefined;

/** The value of each float16, by its bits. */
export function halfValues(): Float32Array {
  table ??= makeTable();
  return table;
}

function makeTable(): Float32Array {
  const bits = new Uint32Array(HALVES);
  for (let half = 0; half < HALVES; half++) bits[half] = floatBits(half);
  return new Float32Array(bits.buffer);
}

function floatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Below the smallest normal float16, but a normal float32: the highest bit becomes the hidden one.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

const float = new Float32Array(1);
const floatAsBits = new Uint32Array(float.buffer);

/** The float16 next to a float32 (ties to even), as bits. */
export function halfBits(value: number): number {
  float[0] = value;
  const bits = floatAsBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00 | ((size >> 13) & 0x3ff);
  if (size >= 0x477ff000) return sign | 0x7c00; // rounds beyond 65504
  if (size >= 0x38800000) return sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13);
  // Subnormal: a multiple of 2 ** -24. The product is exact, so that it rounds once.
  return sign | roundEven(Math.abs(float[0]) * 2 ** 24);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
}
