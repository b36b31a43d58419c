// int8 as ONNX Runtime's dynamic quantization has it.

const LARGEST = 127;
const STEPS = 255;

/** A matrix: values ≈ codes · scale of the row. */
export interface Int8Matrix {
  /** [rows, columns] */
  readonly codes: Int8Array<ArrayBuffer>;
  /** [rows] */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Rounds each row to multiples of a 127th of its largest magnitude. values: [rows, columns] */
export function int8Rows(values: Float32Array, columns: number): Int8Matrix {
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(values.length / columns);
  for (let row = 0; row < scales.length; row++) {
    const [start, end] = [row * columns, (row + 1) * columns];
    const scale = Math.fround(largestMagnitude(values, start, end) / LARGEST);
    scales[row] = scale;
    if (scale === 0) continue;
    for (let i = start; i < end; i++)
      codes[i] = Math.max(-LARGEST, Math.min(LARGEST, Math.round((values[i] as number) / scale)));
  }
  return { codes, scales };
}

/** The values that int8 rows stand for: [rows, columns]. */
export function fromInt8Rows({ codes, scales }: Int8Matrix): Float32Array<ArrayBuffer> {
  const columns = codes.length / scales.length;
  const values = new Float32Array(codes.length);
  for (let row = 0, i = 0; row < scales.length; row++)
    for (const end = i + columns; i < end; i++) values[i] = (codes[i] as number) * (scales[row] as number);
  return values;
}

function largestMagnitude(values: Float32Array, start: number, end: number): number {
  let largest = 0;
  for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(values[i] as number));
  return largest;
}

/** A layer's input after ONNX's `DynamicQuantizeLinear`: 256 steps between its smallest and largest element, and 0. */
export function throughUint8(values: Float32Array): Float32Array<ArrayBuffer> {
  let [low, high] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i] as number);
    high = Math.max(high, values[i] as number);
  }
  const scale = Math.fround((high - low) / STEPS);
  if (scale === 0) return Float32Array.from(values);
  const zero = clipped(roundedToEven(Math.fround(-low / scale)));
  const rounded = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const code = roundedToEven(Math.fround((values[i] as number) / scale)) + zero;
    rounded[i] = (clipped(code) - zero) * scale;
  }
  return rounded;
}

const clipped = (code: number): number => Math.max(0, Math.min(STEPS, code));

/** 1.5 · 2⁵²: a sum with it has no digits after the point. */
const WHOLE = 1.5 * 2 ** 52;

/** The nearest whole number, of two the even one, for numbers up to 2⁵¹. */
const roundedToEven = (value: number): number => value + WHOLE - WHOLE;
