import { groupSpans, type Table } from "../compare/renderTable.js";
import { html, type Markup } from "./html.js";
import { foldedIfLong, scrolling } from "./table.js";

/** A table of a comparison in HTML: groups over their columns, the best of each column bold and said. */
export function comparedTable(table: Table, caption: string): Markup {
  const { heading, names, columns, notes } = table;
  const hasGroups = columns.some(({ group }) => group !== "");
  const groups = groupSpans(columns).map(({ group, count }) =>
    group === "" ? html`<td colspan="${count}"></td>` : html`<th scope="colgroup" colspan="${count}">${group}</th>`,
  );
  const over = hasGroups ? html`<tr><td></td>${groups}</tr>` : undefined;
  const titles = columns.map(({ title, align }) => html`<th scope="col"${leftOf(align)}>${title}</th>`);
  const body = names.map((name, place) => {
    const cells = columns.map(({ cells, align }) => {
      const { text, best } = cells[place]!;
      return html`<td${leftOf(align)}>${best ? html`<strong>${text}</strong><span class="hidden"> (best)</span>` : text}</td>`;
    });
    return html`<tr><th scope="row">${name}</th>${cells}</tr>`;
  });
  const content = html`<table class="figures"><caption>${caption}</caption><thead>${over}<tr><th scope="col">${heading}</th>${titles}</tr></thead><tbody>${body}</tbody></table>`;
  const hasBest = columns.some(({ cells }) => cells.some(({ best }) => best));
  const said = [...(hasBest ? ["Bold: the best mean."] : []), ...notes];
  return html`${foldedIfLong(caption, names.length, scrolling(caption, content))}${said.map((note) => html`<p class="note">${note}</p>`)}`;
}

const leftOf = (align: "left" | "right"): Markup | undefined => (align === "left" ? html` class="left"` : undefined);
