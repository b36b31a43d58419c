/** `call:name{key:value}` with strings between marks: Gemma 4 and FunctionGemma. The arguments are no JSON until they are read. */
import type { CallFormat } from "./format.js";
import { type CallStretch, MarkedReader, type StretchStep } from "./reading.js";

/** By the mark before a call: the mark after it, and the mark around strings. */
const FORMS: Readonly<Record<string, { readonly close: string; readonly quote: string }>> = {
  "<|tool_call>": { close: "<tool_call|>", quote: '<|"|>' },
  "<start_function_call>": { close: "<end_function_call>", quote: "<escape>" },
};

const OPENS = Object.keys(FORMS);

export const gemma: CallFormat = {
  isOf: (template) => OPENS.some((open) => template.includes(`${open}call:`)),
  marks: [...OPENS, ...Object.values(FORMS).flatMap(({ close, quote }) => [close, quote])],
  writing: () => undefined,
  reader: (names) => new MarkedReader(names, OPENS, (open) => new WholeCall(FORMS[open]!)),
};

class WholeCall implements CallStretch {
  constructor(private readonly form: { readonly close: string; readonly quote: string }) {}

  step(text: string, isEnd: boolean): StretchStep {
    const end = text.indexOf(this.form.close);
    if (end < 0 && !isEnd) return { used: 0, state: "more" };
    const [used, call] = end < 0 ? [text.length, text] : [end + this.form.close.length, text.slice(0, end)];
    const found = /^\s*call:\s*([^{\s]+)\s*(\{.*)$/s.exec(call);
    const given = found && new Values(found[2] as string, this.form.quote).whole();
    if (!given) return { used: 0, state: "wrong" };
    return { used, begun: found[1] as string, arguments: JSON.stringify(given.value), state: "over" };
  }
}

/** Reads values whose keys and strings have no quotation marks of JSON. */
class Values {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly quote: string,
  ) {}

  /** The object that the text is; undefined if it is none. */
  whole(): { readonly value: unknown } | undefined {
    try {
      const value = this.#value();
      return this.text.slice(this.#at).trim() === "" ? { value } : undefined;
    } catch {
      return undefined;
    }
  }

  #value(): unknown {
    this.#skip();
    if (this.text.startsWith(this.quote, this.#at)) return this.#string();
    if (this.text[this.#at] === "{") return Object.fromEntries(this.#items("}", () => this.#member()));
    if (this.text[this.#at] === "[") return this.#items("]", () => this.#value());
    return this.#bare();
  }

  #string(): string {
    const from = this.#at + this.quote.length;
    const to = this.text.indexOf(this.quote, from);
    if (to < 0) throw new SyntaxError();
    this.#at = to + this.quote.length;
    return this.text.slice(from, to);
  }

  #member(): [string, unknown] {
    const key = this.text.startsWith(this.quote, this.#at) ? this.#string() : this.#until(":");
    this.#skip();
    if (this.text[this.#at] !== ":") throw new SyntaxError();
    this.#at++;
    return [key.trim(), this.#value()];
  }

  #items<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    this.#at++;
    for (this.#skip(); this.text[this.#at] !== close; this.#skip()) {
      if (items.length > 0 && this.text[this.#at++] !== ",") throw new SyntaxError();
      this.#skip();
      items.push(item());
    }
    this.#at++;
    return items;
  }

  /** A number, true, false, null, or a string without its marks. */
  #bare(): unknown {
    const word = this.#until(",}]").trim();
    if (word === "") throw new SyntaxError();
    try {
      return JSON.parse(word);
    } catch {
      return word;
    }
  }

  #until(stops: string): string {
    const from = this.#at;
    while (this.#at < this.text.length && !stops.includes(this.text[this.#at]!)) this.#at++;
    return this.text.slice(from, this.#at);
  }

  #skip(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }
}
