// One self-contained HTML page, and its style sheet.
import { darkColors, lightColors } from "./figures/palette.js";
import { html, Markup } from "./html.js";

interface Page {
  readonly title: string;
  readonly heading: string;
  readonly about: string;
  readonly content: readonly (Markup | undefined)[];
  /** The files that the page was made from. */
  readonly source: string;
  readonly generator?: string;
  readonly live?: LivePart | undefined;
}

/** What keeps a served page up to date. */
export interface LivePart {
  /** The progress of the runs: the first part of the page. */
  readonly status: Markup;
  /** The paths of the scripts that update the page. */
  readonly scripts: readonly string[];
}

/** One self-contained HTML file: no script (unless it is served live), no font, no network. */
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

/** Links to the parts with a heading and to collapsed parts. A page with two or three parts needs none. */
function contents(parts: readonly (Markup | undefined)[]): Markup | undefined {
  const found = parts.flatMap((part) => {
    const headings = [...(part?.source ?? "").matchAll(HEADED)];
    return part && isFolded(part) ? headings.slice(0, 1) : headings;
  });
  if (found.length < 4) return undefined;
  // The titles are already HTML.
  const links = found.map(([, id, title]) => html`<li><a href="#${id}">${new Markup(title ?? "")}</a></li>`);
  return html`<nav aria-label="Contents"><ul>${links}</ul></nav>`;
}

const light = `--page:#f6f6f3;--card:#fff;--ink:#1c1f24;--soft:#565d68;--grid:#e6e7ea;--rule:#d9dbe0;--alert:#fff1e0;--alert-rule:#d55e00;--link:#005a8c;--shade:#1c1f2459;${lightColors}`;
const dark = `--page:#14161a;--card:#1c1f25;--ink:#e8eaee;--soft:#a9b1bd;--grid:#2c313a;--rule:#363c47;--alert:#3a2a18;--alert-rule:#ff8a3d;--link:#7cc4f0;--shade:#00000099;${darkColors}`;

/** The style sheet of a page: system fonts, two themes, narrow screens and print. */
export const style = `
:root{color-scheme:light dark;${light}}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:56px}
body{margin:0 auto;max-width:1000px;padding:32px 20px 48px;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header p{margin:4px 0 0;color:var(--soft);overflow-wrap:anywhere}
h1{font-size:28px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;line-height:1.3;margin:0 0 12px;overflow-wrap:anywhere}
h3{font-size:13px;font-weight:600;color:var(--soft);margin:0 0 4px;overflow-wrap:anywhere}
main:focus{outline:none}
a{color:var(--link)}
.skip{position:absolute;left:-9999px;top:0;z-index:3;padding:8px 14px;background:var(--card);border:2px solid var(--link);border-radius:0 0 8px 0}
.skip:focus{left:0}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0;padding:0;list-style:none;font-size:14px}
nav a{display:inline-block;padding:3px 0}
figure,section,.alert{margin:20px 0 0;padding:20px 24px;background:var(--card);border:1px solid var(--rule);border-radius:10px}
figcaption,.note{margin:10px 0 0;color:var(--soft);font-size:14px}
.alert{background:var(--alert);border-color:var(--alert-rule);border-left-width:5px;padding:12px 18px}
.alert p{margin:0;overflow-wrap:anywhere}
.plot{--plot-background:var(--card);display:block;width:100%;height:auto;color:var(--ink);overflow:visible}
.plot text,.plot tspan{white-space:pre}
.narrow{display:none}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:20px 24px}
.thirds{grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr))}
.panel{min-width:0}
.legend{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:20px 0 -8px;padding:10px 4px;background:var(--page);font-size:14px;font-weight:600}
.legend.many{position:static}
.legend li{overflow-wrap:anywhere}
.mark{vertical-align:middle;margin-right:4px;overflow:visible}
.depths{display:flex;align-items:center;gap:8px;margin:0 0 12px;font-size:13px;color:var(--soft)}
.depths span{display:inline-flex;border-radius:3px;overflow:hidden}
.depths i{width:18px;height:10px}
.layers{display:flex;flex-wrap:wrap;gap:2px 12px;list-style:none;margin:0 0 8px;padding:0;font-size:13px;color:var(--soft)}
.layers i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:4px;vertical-align:-1px}
.scroll{overflow-x:auto;position:relative;background:linear-gradient(90deg,var(--card) 40%,transparent) 0 0/48px 100% no-repeat local,linear-gradient(270deg,var(--card) 40%,transparent) 100% 0/48px 100% no-repeat local,linear-gradient(90deg,var(--shade),transparent) 0 0/20px 100% no-repeat scroll,linear-gradient(270deg,var(--shade),transparent) 100% 0/20px 100% no-repeat scroll}
.scroll+.scroll{margin-top:24px}
.scroll+.wide,.scroll+.narrow,.scroll+.panels{margin-top:16px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:13px;font-weight:600;color:var(--soft);padding-bottom:4px}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:7px 0 7px 13px;text-align:right;vertical-align:baseline;border-bottom:1px solid var(--rule)}
th:first-child,td:first-child,.left{text-align:left;padding-left:0}
th:first-child{overflow-wrap:anywhere}
.left{padding-left:13px}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
thead th[scope=colgroup]{text-align:center}
tbody tr:last-child>*{border-bottom:0}
tbody.apart tr:first-child>*{border-top:2px solid var(--rule)}
td{white-space:nowrap}
.text td,.text th{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:96px;vertical-align:top}
.rows{margin:8px 0 0;padding:0;list-style:none;font-size:14px}
.rows li{padding:10px 0;border-top:1px solid var(--rule);overflow-wrap:anywhere}
.rows p{margin:2px 0 4px}
.rows dl{display:flex;flex-wrap:wrap;gap:0 20px}
.rows dl div{border:0;padding:0;gap:8px;justify-content:start}
.rows dt{flex:none}
.rows dd{text-align:left;font-weight:600}
.place{color:var(--soft);font-size:13px}
tbody th{font-weight:600;min-width:min(200px,34vw)}
.scroll th:first-child,.scroll td:first-child{position:sticky;left:0;z-index:1;background:var(--card)}
.matrix th,.matrix td{padding:7px 10px;text-align:center}
.matrix tbody th{text-align:left;padding-left:0;min-width:110px}
.matrix thead th{overflow-wrap:normal;vertical-align:bottom}
.matrix td{background:color-mix(in srgb,var(--run-0) var(--share,0%),transparent)}
.matrix .right{outline:2px solid var(--soft);outline-offset:-2px;font-weight:600}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));gap:0 28px;margin:0;font-size:14px}
dl div{display:flex;justify-content:space-between;gap:14px;padding:6px 0;border-bottom:1px solid var(--grid)}
dt{color:var(--soft)}
code{font:.93em ui-monospace,"SF Mono",Menlo,Consolas,monospace}
dd{margin:0;text-align:right;overflow-wrap:anywhere;min-width:0;font-variant-numeric:tabular-nums}
.scroll+h3,.note+h3,.rows+h3,.narrow+h3{margin-top:20px}
.note+.scroll,.note+details{margin-top:24px}
details{margin-top:16px;font-size:14px}
summary{cursor:pointer;color:var(--link);padding:3px 0}
details>.scroll,details>details,details>.panels{margin-top:12px}
.part>summary{margin-top:20px;padding:14px 24px;background:var(--card);border:1px solid var(--rule);border-radius:10px;font-size:18px;font-weight:700;overflow-wrap:anywhere}
.part{margin:0}
progress{display:block;width:100%;height:10px;margin:10px 0;accent-color:var(--link)}
.buttons{display:flex;flex-wrap:wrap;gap:8px}
.buttons:empty{display:none}
button{font:inherit;font-size:14px;padding:6px 14px;color:var(--ink);background:var(--page);border:1px solid var(--soft);border-radius:6px;cursor:pointer}
button[aria-disabled]{color:var(--soft);cursor:default}
#connection{margin:14px 0 0;color:var(--soft);font-size:14px}
#connection:empty{display:none}
footer{margin-top:28px;color:var(--soft);font-size:13px}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:2px}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}*{animation:none!important;transition:none!important}}
@media (max-width:640px){body{padding:20px 12px 36px}h1{font-size:23px}figure,section{padding:16px 12px}.wide{display:none}.narrow{display:block}.panels,.thirds{grid-template-columns:minmax(0,1fr)}.legend{gap:2px 14px;font-size:13px}nav ul{gap:2px 14px}}
@page{margin:14mm}
@media print{:root{--page:#fff;color-scheme:light}body{max-width:none;padding:0;font-size:12px}nav,.skip{display:none}.legend{position:static}
h1{font-size:20px}h2{font-size:14px}h3,figcaption,.note,table,caption,dl,details,footer,.legend,.depths,.rows,.place{font-size:10px}
th,td{padding:4px 0 4px 8px}tbody th{min-width:0}.text td,.text th{min-width:0}.scroll{overflow:visible}figure,section{padding:12px 14px;margin-top:12px;border-color:#bbb}
.wide{display:block}.narrow{display:none}.panels{grid-template-columns:1fr 1fr}.thirds{grid-template-columns:1fr 1fr 1fr}
figure{break-inside:avoid}details:not([open]):not(.run,.part){display:none}:is(.run,.part)::details-content{content-visibility:visible;block-size:auto}
.panel,tr,li,dl div,.alert,.plot{break-inside:avoid}h2,h3,caption{break-after:avoid}thead{display:table-header-group}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`.trim();
