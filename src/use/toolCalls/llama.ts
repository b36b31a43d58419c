/** `{"name": …, "parameters": …}` as the whole answer, perhaps after `<|python_tag|>`, or `<|python_tag|>name.call(key="value")`: Llama 3. */
import type { AnswerReader, CallFormat, CallNames, ReadPiece } from "./format.js";
import { type Between, JsonCalls } from "./jsonCalls.js";
import { type CallStretch, MarkedReader, type StretchStep } from "./reading.js";

const TAG = "<|python_tag|>";

export const llama: CallFormat = {
  isOf: (template) => template.includes('"parameters": ') && /<\|python_tag\|>|ipython/.test(template),
  marks: [TAG],
  writing: () => ({
    open: "",
    head: (name) => `{"name": ${JSON.stringify(name)}, "parameters":`,
    tail: "}",
    separator: undefined,
    close: "",
  }),
  reader: (names) => new LlamaReader(names),
};

/** Several calls are separated by semicolons. */
function bySemicolons(text: string, isFirst: boolean): Between {
  const own = text.trimStart();
  const used = text.length - own.length;
  if (own === "") return { used, next: "more" };
  if (isFirst) return { used, next: own[0] === "{" ? "call" : "over" };
  return own[0] === ";" ? { used: used + 1, next: "call" } : { used: 0, next: "over" };
}

/** An answer that begins with a brace or the tag has calls. */
class LlamaReader implements AnswerReader {
  #start: string | undefined = "";
  readonly #tagged: MarkedReader;
  readonly #untagged: MarkedReader;
  #chosen: MarkedReader;

  constructor(names: CallNames) {
    this.#tagged = new MarkedReader(names, [TAG], () => new TaggedCall());
    this.#untagged = new MarkedReader(names, ["{"], () => new AfterBrace());
    this.#chosen = this.#tagged;
  }

  put(text: string): ReadPiece {
    if (this.#start === undefined) return this.#chosen.put(text);
    this.#start += text;
    const begun = this.#start.trimStart();
    if (begun === "") return { text: "", calls: [] };
    this.#start = undefined;
    if (begun.startsWith("{")) this.#chosen = this.#untagged;
    return this.#chosen.put(begun);
  }

  end(): ReadPiece {
    return this.#chosen.end();
  }
}

/** The first brace is the mark itself: the call is read with it. Braces after the calls are text. */
class AfterBrace implements CallStretch {
  readonly #calls = new JsonCalls(bySemicolons);
  #brace = "{";

  step(text: string, isEnd: boolean): StretchStep {
    const step = this.#calls.step(this.#brace + text, isEnd);
    const used = Math.max(0, step.used - this.#brace.length);
    if (step.used >= this.#brace.length) this.#brace = "";
    return { ...step, used };
  }
}

const CODE = /^\s*([\w.-]+)\.call\(((?:[^()"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\)/;
const ARGUMENT = /([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^,\s]+)/g;

/** JSON, or a call of a built-in tool, which is known when the answer ends. */
class TaggedCall implements CallStretch {
  #calls: JsonCalls | undefined;

  step(text: string, isEnd: boolean): StretchStep {
    if (!this.#calls && text.trimStart().startsWith("{")) this.#calls = new JsonCalls(bySemicolons);
    if (this.#calls) return this.#calls.step(text, isEnd);
    if (!isEnd) return { used: 0, state: "more" };
    const code = CODE.exec(text);
    if (!code) return { used: 0, state: "wrong" };
    const given = [...(code[2] as string).matchAll(ARGUMENT)].map(([, key, value]) => [key, parsed(value as string)]);
    const written = JSON.stringify(Object.fromEntries(given));
    return { used: text.length, begun: code[1] as string, arguments: written, state: "over" };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text.startsWith("'") ? JSON.stringify(text.slice(1, -1).replaceAll("\\'", "'")) : text);
  } catch {
    return text;
  }
}
