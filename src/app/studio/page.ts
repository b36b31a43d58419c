/** The page around a screen: the steps, the command line that does the same, and parts that several screens have. */
import { basename } from "node:path";
import { formatBytes } from "../../base/index.js";
import { html, type Markup } from "../../studies/report/index.js";
import { commandLine } from "./commands.js";
import type { Rendered, Screen } from "./screen.js";
import type { WorkState } from "./works.js";

interface Place {
  /** The studio's folder. */
  readonly folder: string;
  /** Why a form was refused. */
  readonly problem?: string | undefined;
}

export function renderPage(screen: Screen, screens: readonly Screen[], rendered: Rendered, place: Place): string {
  const { content, commands = [] } = rendered;
  const steps = screens.map(
    ({ path, title }) =>
      html`<li><a href="${path}"${path === screen.path ? html` aria-current="page"` : undefined}>${title}</a></li>`,
  );
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${screen.title} · ${basename(place.folder)} · bidora studio</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/studio.css">
<script src="/studio.js" defer></script>
</head>
<body data-topics="${["work", ...(screen.topics ?? [])].join(" ")}">
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><p class="brand">bidora studio <span title="${place.folder}">${basename(place.folder)}</span></p>
<nav aria-label="Steps"><ol>${steps}</ol></nav></header>
<p id="connection" role="status"></p>
<main id="main" tabindex="-1">
<h1>${screen.title}</h1>
<p class="about">${screen.about}</p>
<div id="problem" role="alert">${place.problem === undefined ? undefined : html`<p class="problem">${place.problem}</p>`}</div>
${content}
${commandPart(commands)}
</main>
</body>
</html>
`;
  return page.source;
}

function commandPart(commands: readonly (readonly string[])[]): Markup | undefined {
  if (commands.length === 0) return undefined;
  const text = commands.map(commandLine).join("\n");
  return html`<section id="command" class="command" aria-labelledby="command-title"><h2 id="command-title">The same from a terminal, in the studio’s folder</h2>${code(text, "command-text")}</section>`;
}

/** A text to copy. @param id of the text */
export const code = (text: string, id: string): Markup =>
  html`<div class="code"><pre id="${id}" tabindex="0">${text}</pre><button type="button" data-copy="${id}">Copy</button></div>`;

/** A form that posts to an action of a screen. @param attributes such as `data-live`, as HTML */
export const form = (action: string, content: readonly (Markup | undefined)[], attributes?: Markup): Markup =>
  html`<form method="post" action="${action}"${attributes && html` ${attributes}`}>${content}</form>`;

type Fields = Readonly<Record<string, string | number | readonly string[]>>;

/** What a form sends without showing it. */
export const hidden = (fields: Fields): Markup =>
  html`${Object.entries(fields).flatMap(([name, values]) =>
    [values].flat().map((value) => html`<input type="hidden" name="${name}" value="${value}">`),
  )}`;

/** A form that is one button. @param fields values that it sends @param id distinguishes it on the page */
export const button = (action: string, text: string, fields: Fields = {}, id = action): Markup =>
  form(action, [hidden(fields), html`<button id="button-${idOf(id)}">${text}</button>`], html`class="inline"`);

/** An address with its query. */
export const addressWith = (path: string, query: Readonly<Record<string, string>>): string =>
  `${path}?${new URLSearchParams(query)}`;

export const idOf = (name: string): string => name.replace(/[^a-z0-9-]+/gi, "-");

interface FieldParts {
  readonly name: string;
  readonly label: string;
  readonly help?: string | undefined;
}

/** A labelled input. @param input receives the attributes that tie it to its label */
export function field({ name, label, help }: FieldParts, input: (attributes: Markup) => Markup): Markup {
  const id = `field-${idOf(name)}`;
  const described = help === undefined ? undefined : html` aria-describedby="${id}-help"`;
  const note = help === undefined ? undefined : html`<p class="help" id="${id}-help">${help}</p>`;
  return html`<div class="field"><label for="${id}">${label}</label>${input(html`id="${id}" name="${name}"${described}`)}${note}</div>`;
}

/** A text field. @param attributes more of the input, such as `type="number" min="1"` */
export const textField = (parts: FieldParts, value: string | number | undefined, attributes?: Markup): Markup =>
  field(
    parts,
    (own) =>
      html`<input ${own}${value === undefined ? undefined : html` value="${value}"`}${attributes && html` ${attributes}`}>`,
  );

/** A choice of one of several values. */
export const choiceField = (
  parts: FieldParts,
  choices: readonly (readonly [value: string, text: string])[],
  chosen: string | undefined,
): Markup =>
  field(
    parts,
    (own) =>
      html`<select ${own}>${choices.map(([value, text]) => html`<option value="${value}"${value === chosen ? html` selected` : undefined}>${text}</option>`)}</select>`,
  );

/** How a work is going, with a button that stops it; undefined if there is none. */
export function workPart(name: string, work: WorkState | undefined): Markup | undefined {
  if (!work) return undefined;
  const { title, state, share, message } = work;
  const id = `work-${idOf(name)}`;
  const bar =
    state !== "running"
      ? undefined
      : html`<progress id="${id}-bar" aria-label="${title}" max="1"${share === undefined ? undefined : html` value="${share}"`}></progress>`;
  const button = state === "running" ? stopButton(name, "Stop", "stop") : stopButton(name, "Hide", "dismiss");
  return html`<div id="${id}" class="work ${state}" role="status"><p><strong>${title}</strong> ${WORDS[state]} ${message}</p>${bar}${button}</div>`;
}

const stopButton = (name: string, text: string, what: string): Markup =>
  button(`/works/${what}`, text, { name }, `${what}-${name}`);

const WORDS = { running: "…", done: "Done.", failed: "Failed:", stopped: "Stopped." } as const;

/** A size of a file or a model, of a small one too. */
export const sizeText = (bytes: number): string =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : formatBytes(bytes);

/** A name with its value; undefined for what is not known. */
export type Fact = readonly [name: string, value: string | undefined];

/** Facts side by side, but for those that are not known. */
export function facts(list: readonly Fact[]): Markup {
  const known = list.filter(([, value]) => value !== undefined);
  return html`<dl class="facts">${known.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** What a screen says that can't show anything yet, with a link to the step that comes first. */
export const firstStep = (text: string, path: string, link: string): Markup =>
  html`<section class="empty"><p>${text} <a href="${path}">${link}</a></p></section>`;
