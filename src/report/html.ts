/** Text that is HTML already; all else that goes into `html` is escaped. */
export class Markup {
  constructor(readonly source: string) {}
}

export type HtmlValue = string | number | Markup | readonly HtmlValue[] | undefined;

/** Template tag: values are escaped unless they are `Markup`; lists are joined, undefined leaves nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  return new Markup(parts.reduce((text, part, index) => text + toSource(values[index - 1]) + part));
}

function toSource(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.source;
  if (typeof value === "string" || typeof value === "number") return escapeHtml(String(value));
  return value.map(toSource).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe as HTML text and within quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
