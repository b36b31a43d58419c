import { curveNumbers } from "./figureTable.js";
import type { Markup } from "./html.js";
import { panels, type Size, titled } from "./layout.js";
import type { Curve } from "./subjects.js";
import { folded } from "./table.js";

/** A title, and the curves under it. */
export interface Told {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** A panel for each. @param abreast how many belong in one row; by default as fits */
export const curvePanels = <T extends Told>(
  told: readonly T[],
  draw: (one: T, size: Size) => Markup,
  abreast = 1,
): Markup =>
  panels(
    told.map((one) => ({ title: one.title, draw: (size) => draw(one, size) })),
    abreast > 1 ? abreast : told.length,
  );

/** The numbers behind panels, folded up. */
export const panelNumbers = (told: readonly Told[], task: string | undefined): Markup =>
  folded(
    "The figure’s numbers",
    told.map(({ title, curves }) => curveNumbers(titled(title, task), curves)),
  );
