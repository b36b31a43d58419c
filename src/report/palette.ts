/**
 * Colours as custom properties, one set for light and one for dark. Runs take Okabe and Ito's palette, told apart with any
 * kind of colour vision; its order here keeps neighbours apart in lightness too. Dashes and marks tell them apart without colour.
 */
const LIGHT = {
  runs: ["#0072b2", "#d55e00", "#009e73", "#b8558f", "#8a6d00", "#3a9bd9", "#5c5c5c"],
  // From the first layer to the last, away from the page in lightness all the way.
  depths: ["#8cc5c0", "#5fadb0", "#3f94a3", "#2f7a96", "#2b6088", "#2e4577", "#2f2a5e", "#2a1145"],
};

const DARK = {
  runs: ["#56b4e9", "#ff8a3d", "#2fc79a", "#e59ac6", "#f0cf4a", "#9db4ff", "#b5b5b5"],
  depths: ["#6a7fd0", "#5f93d6", "#57a6d8", "#5ab8d6", "#6bc9d2", "#8ad9d0", "#b2e8d3", "#e0f7e2"],
};

const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];

const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"] as const;

/** The form of a run's marks, by its name in d3. */
export type RunSymbol = (typeof SYMBOLS)[number];

/** Steps in the colours for depth. */
export const DEPTH_COLOURS = LIGHT.depths.length;

export const runColour = (run: number): string => `var(--run-${run % LIGHT.runs.length})`;
export const runDash = (run: number): string => DASHES[run % DASHES.length]!;
/** Seven marks and four dashes: 28 runs before both come again. */
export const runSymbol = (run: number): RunSymbol => SYMBOLS[run % SYMBOLS.length]!;
export const depthColour = (step: number): string => `var(--depth-${step})`;

/** A place between the first layer, 0, and the last, 1: no two layers have the same colour. */
export function depthBetween(place: number): string {
  const at = place * (DEPTH_COLOURS - 1);
  const below = Math.min(Math.floor(at), DEPTH_COLOURS - 2);
  const share = Math.round((at - below) * 1000) / 10;
  return `color-mix(in oklab,${depthColour(below + 1)} ${share}%,${depthColour(below)})`;
}

const declare = ({ runs, depths }: typeof LIGHT): string =>
  [
    ...runs.map((colour, index) => `--run-${index}:${colour};`),
    ...depths.map((colour, index) => `--depth-${index}:${colour};`),
  ].join("");

export const lightColours = declare(LIGHT);
export const darkColours = declare(DARK);
