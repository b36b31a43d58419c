import * as Plot from "@observablehq/plot";
import { runColour, runSymbol } from "./palette.js";

/** What is named in a drawing: a point, by its subject's name and form. */
export interface Labelled {
  readonly name: string;
  readonly index: number;
  readonly x: number;
  readonly y: number;
}

/** Labels that a drawing has room for: with more, the legend alone tells. */
const MOST = 24;
const LINE = 15;
/** Characters of a name that are shown. */
const LONGEST = 20;
const CHARACTER = 6.6;
/** From the axes' right end to a label's mark, and from there to its text. */
const [TO_MARK, TO_TEXT] = [22, 9];

/** The names of points in a column to the right of the axes, each led to its point. */
export interface Labels {
  /** Room that the column takes. */
  readonly marginRight: number;
  /** Height that a drawing of so many has at the least. */
  readonly height: number;
  readonly marks: Plot.Markish[];
}

/** Points that lie on one another are told apart by their labels: no two of those are in one line. */
export function labelsOf(points: readonly Labelled[]): Labels | undefined {
  if (points.length > MOST || points.length < 2) return undefined;
  const longest = Math.max(...points.map(({ name }) => short(name).length));
  const colour = ({ index }: Labelled) => runColour(index);
  return {
    marginRight: TO_MARK + TO_TEXT + CHARACTER * longest + 4,
    height: 70 + LINE * points.length,
    marks: [
      Plot.link(
        points,
        inColumn({ x1: "x", y1: "y", x2: "x", y2: "y", stroke: colour, strokeOpacity: 0.6 }, "x2", "y2", TO_MARK - 5),
      ),
      Plot.dot(
        points,
        inColumn(
          { x: "x", y: "y", r: 4, fill: colour, symbol: ({ index }: Labelled) => runSymbol(index) },
          "x",
          "y",
          TO_MARK,
        ),
      ),
      Plot.text(
        points,
        inColumn(
          {
            x: "x",
            y: "y",
            text: ({ name }: Labelled) => short(name),
            textAnchor: "start" as const,
            fill: "var(--ink)",
          },
          "x",
          "y",
          TO_MARK + TO_TEXT,
        ),
      ),
    ],
  };
}

/** Moves one end of a mark into the column, each to a line of its own. @param dx from the axes' right end */
function inColumn<T extends object>(options: T, x: "x" | "x2", y: "y" | "y2", dx: number): T {
  return Plot.initializer(options, (_data, _facets, channels, scales, dimensions) => {
    const { marginTop, height, marginBottom, width, marginRight } = dimensions;
    const wanted = Array.from(channels[y]!.value as Iterable<number>, (value) => scales.y!(value) as number);
    const places = spread(wanted, LINE, marginTop, height - marginBottom);
    return {
      channels: { [x]: { value: places.map(() => width - marginRight + dx) }, [y]: { value: places } },
    };
  }) as unknown as T;
}

function short(name: string): string {
  const characters = Array.from(name);
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : name;
}

/**
 * Places on a line, as near as can be to those that are wanted, of which no two are nearer than a gap; in the order of the wanted ones,
 * and between two ends where there is room for all. Neighbours that are too near share out the difference.
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

/** Neighbours at one gap from each other. */
interface Block {
  readonly members: number[];
  /** Of the places at which each wants the first to be. */
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

/** Pushed in from the ends; where there is no room for all, the last stand beyond. */
function within(places: number[], order: readonly number[], gap: number, low: number, high: number): number[] {
  for (const [k, i] of order.toReversed().entries()) places[i] = Math.min(places[i]!, high - k * gap);
  for (const [k, i] of order.entries()) places[i] = Math.max(places[i]!, low + k * gap);
  return places;
}

interface Room {
  /** Pixels within which one mark hides another. */
  readonly near: number;
  /** Pixels of a band that its marks may take up. */
  readonly room: number;
}

/** Stacks the marks of a band that would overlap. */
export function apart<T extends object>(options: T, room: Room): T {
  return Plot.initializer(options, (_data, _facets, channels, scales) => {
    const places = (key: "x" | "y") =>
      Array.from(channels[key]!.value as Iterable<unknown>, (value) => scales[key]!(value) as number);
    const [x, y] = [places("x"), places("y")];
    const moved = offsets(x, y, room).map((offset, i) => y[i]! + offset);
    return { channels: { x: { value: x }, y: { value: moved } } };
  }) as unknown as T;
}

/** How far each mark is moved: 0 where none of its band is near. */
export function offsets(x: readonly number[], y: readonly number[], { near, room }: Room): number[] {
  const moved = x.map(() => 0);
  for (const heap of heaps(x, y, near)) {
    const step = Math.min(near, room / Math.max(1, heap.length - 1));
    for (const [k, i] of heap.entries()) moved[i] = step * (k - (heap.length - 1) / 2);
  }
  return moved;
}

/** Marks of one band in a row, each near the one before. */
function heaps(x: readonly number[], y: readonly number[], near: number): number[][] {
  const order = x.map((_, i) => i).sort((a, b) => y[a]! - y[b]! || x[a]! - x[b]!);
  const found: number[][] = [];
  for (const i of order) {
    const last = found.at(-1)?.at(-1);
    if (last !== undefined && y[last] === y[i] && x[i]! - x[last]! < near) found.at(-1)!.push(i);
    else found.push([i]);
  }
  return found;
}
