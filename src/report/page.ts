import { html, Markup } from "./html.js";
import { style } from "./style.js";

/** A page's parts. */
export interface Page {
  readonly title: string;
  readonly heading: string;
  /** A line under it. */
  readonly about: string;
  readonly content: readonly (Markup | undefined)[];
  /** What it was made from. */
  readonly source: string;
  /** What says who wrote it, near the beginning. */
  readonly generator?: string;
  readonly live?: LivePart | undefined;
}

/** What keeps a page up to date where it is served. */
export interface LivePart {
  /** How far the runs are: the page's first part. */
  readonly status: Markup;
  /** Where the scripts are that put in what is new. */
  readonly scripts: readonly string[];
}

/**
 * One HTML file that needs nothing beside it: no script (unless it is served live), no font, no network. What it is told by heading, with a list of its parts
 * that jumps to them.
 */
export function renderPage({ title, heading, about, content, source, generator = "bidora", live }: Page): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="${generator}">
<title>${title}</title>
<style>${new Markup(style)}</style>
${live?.scripts.map(
  (script) => html`<script src="${script}" defer></script>
`,
)}</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<header><h1>${heading}</h1><p>${about}</p></header>
${contents(content)}
${
  live &&
  html`<p id="connection" role="status"></p>
`
}<main id="main" tabindex="-1">
${live?.status}${content.map(
  (part) => html`${part}
`,
)}</main>
<footer>${source}</footer>
</body>
</html>
`;
  return page.source;
}

const HEADED = /<(?:h2|summary) id="([\w-]+)-title">(.*?)<\/(?:h2|summary)>/g;
const isFolded = ({ source }: Markup): boolean => source.startsWith("<details");

/** Links to the parts that have a heading, and to those that are folded up as a whole; a page of two or three needs none. */
function contents(parts: readonly (Markup | undefined)[]): Markup | undefined {
  const found = parts.flatMap((part) => {
    const headings = [...(part?.source ?? "").matchAll(HEADED)];
    return part && isFolded(part) ? headings.slice(0, 1) : headings;
  });
  if (found.length < 4) return undefined;
  // The titles are HTML already.
  const links = found.map(([, id, title]) => html`<li><a href="#${id}">${new Markup(title ?? "")}</a></li>`);
  return html`<nav aria-label="Contents"><ul>${links}</ul></nav>`;
}
