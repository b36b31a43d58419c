// The figure of what an upper level trains beside the model's tensors.
import { group } from "d3-array";
import { own } from "../../../base/index.js";
import { figure, type Markup } from "../html.js";
import { pointsOf } from "../runs.js";
import { type CurvePanel, type CurveSubject, curvePanels, curvesOf, drawCurves, panelNumbers } from "./curves.js";
import { legend } from "./palette.js";

/** A part of a name that is a number, as of a layer. */
const NUMBER = /(?<=^|\.)\d+(?=\.|$)/;

const labelOf = (name: string): string => NUMBER.exec(name)?.[0] ?? name;
const kindOf = (name: string): string => (NUMBER.test(name) ? name.replace(NUMBER, "N") : "others");

/**
 * Factors, weight decays or weights of sources over the steps of the search. Names that differ in a number share a panel, in which the number
 * marks them; those without one share another panel.
 */
export function upperValuesFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const steps = subjects.flatMap(({ runs }) => runs.flatMap((run) => run.of("step")));
  const names = [...new Set(steps.flatMap(({ upper = {} }) => Object.keys(upper)))];
  if (names.length === 0) return undefined;
  const labels = [...new Set(names.map(labelOf))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const curvesNamed = ({ runs }: CurveSubject, name: string) =>
    curvesOf([{ index: labels.indexOf(labelOf(name)), name, runs }], (run) =>
      pointsOf(run, run.of("step"), ({ upper = {} }) => own(upper, name)),
    );
  const panelsOf = (subject: CurveSubject): CurvePanel[] =>
    Array.from(group(names, kindOf), ([kind, alike]) => {
      const title = alike.length > 1 ? kind : alike[0]!;
      return {
        title: subjects.length > 1 ? `${subject.name} · ${title}` : title,
        curves: alike.flatMap((name) => curvesNamed(subject, name)),
      };
    });
  const list = subjects.flatMap(panelsOf).filter(({ curves }) => curves.length > 0);
  const key = legend(labels.map((name, index) => ({ index, name })));
  return figure({
    id: "upper-values",
    title: "Values of the upper level",
    task,
    drawings: [...(key ? [key] : []), curvePanels(list, drawCurves)],
    caption:
      "What the upper level trains, after each step of the search: weight decays, weights of sources, or factors of updates. N is the number in a name that the legend shows.",
    numbers: panelNumbers(list, task),
  });
}
