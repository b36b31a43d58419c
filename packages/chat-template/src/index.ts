/** A chat template: parsed once, rendered for each conversation. */
import { type ParsedTemplate, parseTemplate } from "./parser.js";
import { type Rendered, renderTemplate } from "./render.js";
import { toValue } from "./values.js";

export { TemplateError } from "./error.js";
export type { Rendered, Span } from "./render.js";

export interface RenderOptions {
  /** The time for `strftime_now()`; the current time if not given. */
  readonly now?: Date;
}

/** A Jinja template, as transformers renders chat templates. It has access to its variables and to nothing else. */
export class Template {
  readonly #parsed: ParsedTemplate;

  /** @throws TemplateError for a syntax error */
  constructor(source: string) {
    this.#parsed = parseTemplate(source);
  }

  /** Whether the template marks with `{% generation %}` what the assistant wrote. */
  get marksGeneration(): boolean {
    return this.#parsed.marksGeneration;
  }

  /**
   * @param variables strings, numbers, booleans, null, arrays, Maps and plain objects
   * @throws TemplateError for an error that the template raises, or for anything that would not be rendered as Jinja does
   */
  render(variables: Readonly<Record<string, unknown>>, { now = new Date() }: RenderOptions = {}): Rendered {
    const values = Object.entries(variables).map(([name, value]) => [name, toValue(value, name)] as const);
    const { text, generated } = renderTemplate(this.#parsed, new Map(values), now);
    return { text, generated };
  }
}
