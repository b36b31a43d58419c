/** What a screen is: its content, what its forms do, and the command line that does the same. */
import type { Hono } from "hono";
import { BidoraError } from "../../base/index.js";
import type { Markup } from "../../studies/report/index.js";
import type { Topic } from "./news.js";
import type { Studio } from "./workspace.js";

export interface Screen {
  readonly path: string;
  /** Its name in the row of steps. */
  readonly title: string;
  /** One sentence under its heading. */
  readonly about: string;
  /** What it shows that changes by itself. */
  readonly topics?: readonly Topic[];
  render(studio: Studio, asked: Asked): Promise<Rendered>;
  /** What its forms do, by the last part of the path that they post to. */
  readonly actions?: Readonly<Record<string, Action>>;
  /** Its other routes: parts of it, files. */
  addRoutes?(app: Hono, studio: Studio): void;
}

/** A request for a screen. */
export interface Asked {
  readonly query: URLSearchParams;
  /** A form that was refused, whose values are shown again. */
  readonly form?: Form | undefined;
}

export interface Rendered {
  readonly content: readonly (Markup | undefined)[];
  /** The command lines that do the same, without the program: `["init", "rows.csv"]`. */
  readonly commands?: readonly (readonly string[])[];
}

/**
 * Does what a form asks for.
 * @returns the path where the browser goes then; by default the form's page
 * @throws BidoraError whose message the page shows, with nothing done
 */
export type Action = (studio: Studio, form: Form) => Promise<string | undefined> | string | undefined;

/** The fields of a form. */
export class Form {
  readonly #fields: URLSearchParams;

  constructor(body: string) {
    this.#fields = new URLSearchParams(body);
  }

  /** A field's text without spaces around it; undefined for an empty one. */
  optional(name: string): string | undefined {
    return this.#fields.get(name)?.trim() || undefined;
  }

  /** The text as it was typed. */
  text(name: string): string {
    return this.#fields.get(name) ?? "";
  }

  /** @throws BidoraError `STUDIO` for an empty field @param what its name in a sentence: "a name" */
  required(name: string, what: string): string {
    const value = this.optional(name);
    if (value === undefined) throw new BidoraError("STUDIO", `Give ${what} first.`);
    return value;
  }

  /** All values of a field with several: of check boxes. */
  all(name: string): readonly string[] {
    return this.#fields.getAll(name);
  }

  /** What follows a beginning in the names of fields. */
  names(beginning: string): readonly string[] {
    const names = [...new Set(this.#fields.keys())];
    return names.filter((name) => name.startsWith(beginning)).map((name) => name.slice(beginning.length));
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }
}
