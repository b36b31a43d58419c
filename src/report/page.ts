import { type HtmlValue, html, Markup } from "./html.js";
import { style } from "./style.js";

/**
 * One HTML file that needs nothing beside it: no script, no font, no network.
 * @param generator what says who wrote it, near the beginning
 */
export function page(title: string, body: readonly HtmlValue[], generator = "bidora"): string {
  const parts = body.map((part) => html`${part}\n`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="${generator}">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
${parts}</main>
</body>
</html>
`.source;
}
