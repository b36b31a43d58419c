import { tickStep, ticks } from "d3-array";

/** Where an axis has its ticks, and what stands at each. */
export interface Ticks {
  readonly values: readonly number[];
  readonly format: (value: number) => string;
}

/** Width of a character of a tick, about, and the room between two ticks. */
const CHARACTER = 6.8;
const GAP = 14;
/** Pixels that a tick has, at the least. */
const LEAST = 56;

const UNITS = [
  { size: 1e9, divisor: 1e9, suffix: "G" },
  { size: 1e6, divisor: 1e6, suffix: "M" },
  { size: 1e4, divisor: 1e3, suffix: "K" },
  { size: 0, divisor: 1, suffix: "" },
] as const;

/** As many ticks as have room beside each other, each with all the digits that tell it from the next one. */
export function ticksWithin([low, high]: readonly [number, number], width: number): Ticks {
  for (let count = Math.max(2, Math.floor(width / LEAST)); count > 1; count--) {
    const found = ticksOf(low, high, count);
    if (hasRoom(found, width / (high - low))) return found;
  }
  return ticksOf(low, high, 1);
}

function hasRoom({ values, format }: Ticks, scale: number): boolean {
  const [first = 0, second = Number.POSITIVE_INFINITY] = values;
  const widest = Math.max(...values.map((value) => format(value).length));
  return CHARACTER * widest + GAP <= (second - first) * scale;
}

function ticksOf(low: number, high: number, count: number): Ticks {
  const values = ticks(low, high, count);
  const largest = Math.max(...values.map(Math.abs));
  const { divisor, suffix } = UNITS.find(({ size }) => largest >= size)!;
  const step = tickStep(low, high, count);
  // Steps are 1, 2 or 5 times a power of ten.
  const digits = Math.min(12, Math.max(0, Math.ceil(-Math.log10(step / divisor) - 1e-9)));
  const format = (value: number) => `${inFigures(value / divisor, digits)}${value === 0 ? "" : suffix}`;
  return { values, format };
}

const inFigures = (value: number, digits: number): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace(/^-/, "−");
