import * as Plot from "@observablehq/plot";
import { formatCount } from "../common/format.js";
import type { AnalyzedStep } from "../files/analysis.js";
import { html, type Markup } from "./html.js";
import { drawBare } from "./plot.js";

/** Filled ones, then those that are drawn with a stroke: no two look alike. */
const SYMBOLS = [
  ...["circle", "square", "triangle", "diamond", "star", "cross", "wye", "hexagon"],
  ...["times", "plus", "triangle2", "square2", "diamond2", "asterisk"],
] as const;
const FILLED = 8;

type Step = AnalyzedStep["step"];

/** A marker for each step. */
export interface StepMarks {
  readonly legend: Markup;
  /** Points of one colour, each with its step's marker. */
  draw<P extends AnalyzedStep>(points: readonly P[], colour: string, tell: (point: P) => string): Plot.Markish[];
}

/** Gives each step its marker, in their order; where there are more steps than markers, they begin anew and larger. */
export function stepMarks(steps: readonly Step[]): StepMarks {
  const known = [...new Set(steps)].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  const mark = (step: Step, colour: string) => {
    const at = known.indexOf(step);
    const symbol = at % SYMBOLS.length;
    const paint = symbol < FILLED ? { fill: colour } : { stroke: colour, strokeWidth: 1.6 };
    return { symbol: SYMBOLS[symbol]!, r: 3.4 + 1.6 * Math.floor(at / SYMBOLS.length), ...paint };
  };
  return {
    legend: html`<ul class="layers" aria-label="Steps">${known.map((step) => legendItem(step, mark(step, "currentColor")))}</ul>`,
    draw: (points, colour, tell) =>
      known.map((step) =>
        Plot.dot(
          points.filter((point) => point.step === step),
          { x: "deltaD", y: "deltaM", title: tell, ...mark(step, colour) },
        ),
      ),
  };
}

function legendItem(step: Step, mark: Plot.DotOptions): Markup {
  const drawing = drawBare([Plot.dot([[0, 0]], mark)], 14);
  return html`<li>${drawing}${step === null ? "end" : `step ${formatCount(step)}`}</li>`;
}
