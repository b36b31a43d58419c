// Labels and marks that must not overlap.
import * as Plot from "@observablehq/plot";
import { short } from "../html.js";
import { runColor, runSymbol } from "./palette.js";

/** A point with the name and form of its subject. */
interface Labeled {
  readonly name: string;
  readonly index: number;
  readonly x: number;
  readonly y: number;
}

/** With more points than this, a drawing has no labels: the legend has the names. */
const MOST = 24;
const LINE = 15;
const LONGEST = 20;
const CHARACTER = 6.6;
/** The distance from the right end of the axes to a label's mark, and from there to its text. */
const [TO_MARK, TO_TEXT] = [22, 9];

/** The names of points in a column to the right of the axes, each connected to its point. */
interface Labels {
  readonly marginRight: number;
  /** The minimum height of a drawing with so many labels. */
  readonly height: number;
  readonly marks: Plot.Markish[];
}

/** Labels for points. Points in the same place still get separate labels: no two labels overlap. */
export function labelsOf(points: readonly Labeled[]): Labels | undefined {
  if (points.length > MOST || points.length < 2) return undefined;
  const longest = Math.max(...points.map(({ name }) => short(name, LONGEST).length));
  const color = ({ index }: Labeled) => runColor(index);
  const symbol = ({ index }: Labeled) => runSymbol(index);
  const at = { x: "x", y: "y" };
  const link = { x1: "x", y1: "y", x2: "x", y2: "y", stroke: color, strokeOpacity: 0.6 };
  const text = { text: ({ name }: Labeled) => short(name, LONGEST), textAnchor: "start" as const };
  return {
    marginRight: TO_MARK + TO_TEXT + CHARACTER * longest + 4,
    height: 70 + LINE * points.length,
    marks: [
      Plot.link(points, inColumn(link, "x2", "y2", TO_MARK - 5)),
      Plot.dot(points, inColumn({ ...at, r: 4, fill: color, symbol }, "x", "y", TO_MARK)),
      Plot.text(points, inColumn({ ...at, ...text, fill: "var(--ink)" }, "x", "y", TO_MARK + TO_TEXT)),
    ],
  };
}

/** Moves one end of each mark into the column, to its own line. @param dx distance from the right end of the axes */
function inColumn<T extends object>(options: T, x: "x" | "x2", y: "y" | "y2", dx: number): T {
  return Plot.initializer(options, (_data, _facets, channels, scales, dimensions) => {
    const { marginTop, height, marginBottom, width, marginRight } = dimensions;
    const wanted = placesOf(channels[y]!, scales.y!);
    const places = spread(wanted, LINE, marginTop, height - marginBottom);
    return { channels: { [x]: { value: places.map(() => width - marginRight + dx) }, [y]: { value: places } } };
  }) as unknown as T;
}

/** Where the values of a channel are in the drawing. */
const placesOf = ({ value }: { value?: unknown }, scale: (value: unknown) => unknown): number[] =>
  Array.from(value as Iterable<unknown>, (one) => scale(one) as number);

/**
 * Positions on a line that are at least `gap` apart and as near as possible to the wanted ones, in the same order. They stay between
 * the two ends if there is room. Neighbors that are too close are moved apart by the same distance.
 */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const blocks: Block[] = [];
  for (const i of order) {
    blocks.push({ members: [i], sum: wanted[i]! });
    while (blocks.length > 1 && startOf(blocks.at(-1)!) < endOf(blocks.at(-2)!, gap)) join(blocks, gap);
  }
  const places = new Array<number>(wanted.length);
  for (const block of blocks) for (const [k, i] of block.members.entries()) places[i] = startOf(block) + k * gap;
  return within(places, order, gap, low, high);
}

/** Neighbors that are exactly one gap apart. */
interface Block {
  readonly members: number[];
  /** The sum of where each member would put the first one. */
  sum: number;
}

const startOf = ({ members, sum }: Block): number => sum / members.length;
const endOf = (block: Block, gap: number): number => startOf(block) + block.members.length * gap;

function join(blocks: Block[], gap: number): void {
  const last = blocks.pop()!;
  const before = blocks.at(-1)!;
  before.sum += last.sum - last.members.length * before.members.length * gap;
  before.members.push(...last.members);
}

/** Moved in between the ends. Without enough room, the last ones stay outside. */
function within(places: number[], order: readonly number[], gap: number, low: number, high: number): number[] {
  for (const [k, i] of order.toReversed().entries()) places[i] = Math.min(places[i]!, high - k * gap);
  for (const [k, i] of order.entries()) places[i] = Math.max(places[i]!, low + k * gap);
  return places;
}

interface Room {
  /** The distance in pixels below which marks overlap. */
  readonly near: number;
  /** The height in pixels that a band's marks may use. */
  readonly room: number;
}

/** Stacks marks of a band that would overlap. */
export function apart<T extends object>(options: T, room: Room): T {
  return Plot.initializer(options, (_data, _facets, channels, scales) => {
    const [x, y] = [placesOf(channels.x!, scales.x!), placesOf(channels.y!, scales.y!)];
    const moved = offsets(x, y, room).map((offset, i) => y[i]! + offset);
    return { channels: { x: { value: x }, y: { value: moved } } };
  }) as unknown as T;
}

/** How far each mark is moved; 0 without a close neighbor in its band. */
export function offsets(x: readonly number[], y: readonly number[], { near, room }: Room): number[] {
  const moved = x.map(() => 0);
  for (const heap of clusters(x, y, near)) {
    const step = Math.min(near, room / Math.max(1, heap.length - 1));
    for (const [k, i] of heap.entries()) moved[i] = step * (k - (heap.length - 1) / 2);
  }
  return moved;
}

/** Groups of marks of one band, each mark close to the one before. */
function clusters(x: readonly number[], y: readonly number[], near: number): number[][] {
  const order = x.map((_, i) => i).sort((a, b) => y[a]! - y[b]! || x[a]! - x[b]!);
  const found: number[][] = [];
  for (const i of order) {
    const last = found.at(-1)?.at(-1);
    if (last !== undefined && y[last] === y[i] && x[i]! - x[last]! < near) found.at(-1)!.push(i);
    else found.push([i]);
  }
  return found;
}
