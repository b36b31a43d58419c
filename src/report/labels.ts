import * as Plot from "@observablehq/plot";
import { runColour, runSymbol } from "./palette.js";
import { spread } from "./spread.js";

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
