/** How often labels occur, and how long rows are. */
import { formatCount } from "../../../base/index.js";
import { collapsed, html, type Markup, row, short, table } from "../../../studies/report/index.js";
import { addressOf } from "./current.js";
import type { Bin, Filter, RowIndex } from "./rowIndex.js";

/** The most labels with a bar. */
const LABELS = 20;
const BARS = 24;

/** Each label with its rows as a link and a bar. */
export function labelBars(name: string, index: RowIndex, chosen: Filter): Markup | undefined {
  const { labels } = index;
  if (index.data.hasManyLabels)
    return html`<div class="filter"><h3>Labels</h3><p class="note">More than ${formatCount(index.data.labelSets.length)} different ones.</p></div>`;
  if (!labels) return undefined;
  const most = labels[0]!.count;
  const bars = labels.slice(0, LABELS).map(({ label, count }, i) => {
    const isChosen = chosen === `label:${label}`;
    const share = (100 * count) / most;
    return html`<li><a id="label-bar-${i}" href="${addressOf(name, { filter: `label:${label}` })}"${isChosen ? html` aria-current="true"` : undefined}><span class="label-name">${short(label, 40)}</span> <span class="count">${formatCount(count)} (${percent(count, index.count)})</span><span class="bar" style="width:${share.toFixed(1)}%"></span></a></li>`;
  });
  const left = labels.length - bars.length;
  return html`<nav class="filter" aria-label="Labels"><h3>Labels</h3><ul>${bars}</ul>${left > 0 ? html`<p class="note">${formatCount(left)} more labels.</p>` : undefined}</nav>`;
}

const percent = (count: number, of: number): string => `${((100 * count) / Math.max(1, of)).toFixed(1)} %`;

/** The lengths of the rows as a histogram, with its numbers. */
export function lengthFigure(index: RowIndex): Markup {
  const bins = index.lengths(BARS);
  const { characters, words } = index.typical;
  const text = `Half of the rows have at most ${formatCount(characters[0])} characters (${formatCount(words[0])} words), the longest ${formatCount(characters[1])} (${formatCount(words[1])}).`;
  const numbers = bins.map(({ from, to, count }) =>
    row(`${formatCount(from)} to ${formatCount(to)}`, [formatCount(count)]),
  );
  return html`<div class="filter lengths" id="lengths"><h3>Characters of a row</h3>${drawing(bins, text)}<p class="note">${text}</p>${collapsed("The figure’s numbers", table("Rows by their number of characters", ["characters", "rows"], numbers, { hidesCaption: true }))}</div>`;
}

const [WIDTH, HEIGHT] = [320, 90];

function drawing(bins: readonly Bin[], text: string): Markup {
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const width = WIDTH / BARS;
  const bars = bins.map(({ count }, i) => {
    // A bar of one row is seen too.
    const height = count === 0 ? 0 : Math.max(1.5, ((HEIGHT - 16) * count) / most);
    return html`<rect x="${(i * width).toFixed(1)}" y="${(HEIGHT - 14 - height).toFixed(1)}" width="${(width - 1.5).toFixed(1)}" height="${height.toFixed(1)}"/>`;
  });
  const last = bins.at(-1);
  const end = last
    ? html`<text x="${(bins.length * width).toFixed(0)}" y="${HEIGHT - 2}" text-anchor="${bins.length > 4 ? "end" : "start"}">${formatCount(last.to)}</text>`
    : undefined;
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Histogram. ${text}">${bars}<text x="0" y="${HEIGHT - 2}">0</text>${end}</svg>`;
}
