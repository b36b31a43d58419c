/** The picture of a method: its formula with blocks for matrices, hatched where frozen and filled where trained. */
import { html, type Markup } from "../../../studies/report/index.js";
import type { Block, Level, Piece } from "./formula.js";

const SIZES = { square: [46, 46], down: [20, 46], row: [46, 20], column: [20, 46], small: [22, 22] } as const;
/** Of the drawing; blocks are centered at `MIDDLE`. */
const HEIGHT = 84;
const MIDDLE = 34;
const GAP = 5;
/** Of a sign, for each character. */
const SIGN = 9;

interface Placed {
  readonly piece: Piece;
  readonly x: number;
  readonly width: number;
}

/** @param id distinguishes it on the page @param name of the method */
export function picture(id: string, name: string, formula: readonly Piece[]): Markup {
  const placed = place(formula);
  const width = placed.at(-1)!.x + placed.at(-1)!.width + GAP;
  return html`<svg class="method-picture" viewBox="0 0 ${width} ${HEIGHT}" style="width:${width}px" role="img" aria-label="${altText(name, formula)}"><defs><pattern id="${id}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>${placed.map((one) => drawn(one, id))}${levels(placed)}</svg>`;
}

function place(formula: readonly Piece[]): readonly Placed[] {
  let x = GAP;
  return formula.map((piece) => {
    const width = typeof piece === "string" ? SIGN * piece.length : SIZES[piece.shape][0];
    const placed = { piece, x, width };
    x += width + GAP;
    return placed;
  });
}

function drawn({ piece, x, width }: Placed, id: string): Markup {
  const middle = x + width / 2;
  if (typeof piece === "string") return html`<text class="sign" x="${middle}" y="${MIDDLE + 5}">${piece}</text>`;
  const height = SIZES[piece.shape][1];
  const fill = piece.state === "trained" ? undefined : html` fill="url(#${id}-hatch)"`;
  return html`<rect class="${piece.state}" x="${x}" y="${MIDDLE - height / 2}" width="${width}" height="${height}" rx="2"${fill}/><text class="${piece.state}" x="${middle}" y="${MIDDLE + 4}">${piece.name}</text>`;
}

/** Brackets under the pieces of each level, with the rows that they learn from. */
function levels(placed: readonly Placed[]): Markup[] {
  return (["upper", "lower"] as const).flatMap((level) => {
    const own = placed.filter(({ piece }) => typeof piece !== "string" && piece.level === level);
    const [first, last] = [own[0], own.at(-1)];
    if (!first || !last) return [];
    const [from, to] = [first.x, last.x + last.width];
    return [
      html`<path class="level" d="M${from} 62v4H${to}v-4"/><text class="level" x="${(from + to) / 2}" y="79">${level}</text>`,
    ];
  });
}

/** The picture in words. */
export function altText(name: string, formula: readonly Piece[]): string {
  const blocks = formula.filter((piece) => typeof piece !== "string");
  const signs = formula.map((piece) => (typeof piece === "string" ? piece : piece.name)).join(" ");
  const of = (state: Block["state"], level?: Level) => [
    ...new Set(blocks.filter((block) => block.state === state && block.level === level).map((block) => block.name)),
  ];
  const said = [
    [of("frozen"), "frozen"],
    [of("random"), "random and frozen"],
    [of("trained"), "trained"],
    [of("trained", "upper"), "trained in the upper level"],
    [of("trained", "lower"), "trained in the lower level"],
  ] as const;
  const parts = said.filter(([names]) => names.length > 0).map(([names, what]) => `${names.join(" and ")} ${what}`);
  return `${name}: ${signs}; ${parts.join(", ")}.`;
}
