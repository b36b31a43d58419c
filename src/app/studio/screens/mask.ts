/** The first rows as the model sees them. */
import { html } from "../../../studies/report/index.js";
import { maskPart, ROW_COUNTS } from "../model/maskPart.js";
import { choiceField } from "../page.js";
import type { Screen } from "../screen.js";

export const mask: Screen = {
  path: "/mask",
  title: "Mask",
  about: "The first rows as the model sees them: its tokens, what is trained on, and what is cut off.",
  topics: ["run", "rows", "models"],
  async render(studio, { query }) {
    const count = ROW_COUNTS.find((one) => one === query.get("rows")) ?? ROW_COUNTS[0];
    const choice = choiceField(
      { name: "rows", label: "Rows" },
      ROW_COUNTS.map((one) => [one, `the first ${one}`]),
      count,
    );
    return {
      content: [
        html`<form method="get" action="/mask" data-live class="rows-choice">${choice}</form>`,
        maskPart(studio, count),
      ],
      commands: studio.runFile.exists ? [["preview", "run.yaml", "--limit", count]] : [],
    };
  },
};
