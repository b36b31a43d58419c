/** Calls that are JSON objects with a name and arguments. */
import { isObject } from "../../base/index.js";
import { type CallStretch, ObjectEnd, type StretchStep } from "./reading.js";

/** The start of a call whose arguments can be passed on as they come. */
const HEAD = /^\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;

/** No head is longer. */
const LONGEST_HEAD = 512;

/** What comes next between two calls: another one, nothing more, or too little text to know. */
export interface Between {
  readonly used: number;
  readonly next: "call" | "over" | "more";
}

/** Reads `{"name": …, "arguments": {…}}`, and others after it as `between` says. */
export class JsonCalls implements CallStretch {
  #place: "before" | "call" | "arguments" | "rest" | "between" = "before";
  #end = new ObjectEnd();
  /** Characters of the call's beginning that its end was looked for in. */
  #seen = 0;

  constructor(private readonly between: (text: string, isFirst: boolean, isEnd: boolean) => Between) {}

  step(text: string, isEnd: boolean): StretchStep {
    switch (this.#place) {
      case "before":
        return this.#start(text, isEnd);
      case "call":
        return this.#head(text);
      case "arguments":
        return this.#arguments(text);
      case "rest":
        return this.#rest(text);
      default:
        return this.#between(text, isEnd);
    }
  }

  #start(text: string, isEnd: boolean): StretchStep {
    const { used, next } = this.between(text, true, isEnd);
    if (next === "over") return { used: 0, state: "wrong" };
    if (next === "call") this.#begin();
    return { used, ...(next === "more" && { state: "more" }) };
  }

  #begin(): void {
    this.#place = "call";
    this.#end = new ObjectEnd();
    this.#seen = 0;
  }

  #head(text: string): StretchStep {
    const space = text.length - text.trimStart().length;
    if (space > 0) return { used: space };
    if (text === "") return { used: 0, state: "more" };
    if (!text.startsWith("{")) return { used: 0, state: "wrong" };
    const head = this.#seen < LONGEST_HEAD ? HEAD.exec(text.slice(0, 2 * LONGEST_HEAD)) : null;
    const name = head && parsed(head[1] as string);
    if (head && typeof name === "string") {
      this.#place = "arguments";
      this.#end = new ObjectEnd();
      return { used: head[0].length, begun: name };
    }
    const end = this.#end.in(text, this.#seen);
    this.#seen = text.length;
    return end === undefined ? { used: 0, state: "more" } : this.#whole(text.slice(0, end));
  }

  /** A call whose parts are in another order, or whose arguments are a text. */
  #whole(text: string): StretchStep {
    const call = parsed(text);
    const given = isObject(call) ? (call.arguments ?? call.parameters ?? {}) : undefined;
    if (!isObject(call) || typeof call.name !== "string" || given === undefined) return { used: 0, state: "wrong" };
    this.#place = "between";
    const written = typeof given === "string" ? given : JSON.stringify(given);
    return { used: text.length, begun: call.name, arguments: written };
  }

  #arguments(text: string): StretchStep {
    if (text === "") return { used: 0, state: "more" };
    const end = this.#end.in(text);
    if (end !== undefined) this.#place = "rest";
    const used = end ?? text.length;
    return { used, arguments: text.slice(0, used) };
  }

  /** Other fields of the call, and its brace. */
  #rest(text: string): StretchStep {
    const end = text.search(/[^\s,"\w:.-]/);
    if (end < 0) return { used: text.length, state: "more" };
    this.#place = "between";
    return { used: text[end] === "}" ? end + 1 : end };
  }

  #between(text: string, isEnd: boolean): StretchStep {
    const { used, next } = this.between(text, false, isEnd);
    if (next === "call") this.#begin();
    return next === "call" ? { used } : { used, state: next };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text after white space that ends calls; text that is none of them ends them too. */
export function closedBy(close: string): (text: string, isFirst: boolean, isEnd: boolean) => Between {
  return (text, isFirst, isEnd) => {
    const own = text.trimStart();
    const space = text.length - own.length;
    if (isFirst) return { used: space, next: own === "" ? "more" : "call" };
    if (own.startsWith(close)) return { used: space + close.length, next: "over" };
    return close.startsWith(own) && !isEnd ? { used: 0, next: "more" } : { used: 0, next: "over" };
  };
}

/** A list of calls, or a single one. */
export function inList(text: string, isFirst: boolean): Between {
  const own = text.trimStart();
  const used = text.length - own.length;
  if (own === "") return { used, next: "more" };
  if (isFirst)
    return { used: used + (own[0] === "[" ? 1 : 0), next: own[0] === "[" || own[0] === "{" ? "call" : "over" };
  if (own[0] === ",") return { used: used + 1, next: "call" };
  return { used: used + (own[0] === "]" ? 1 : 0), next: "over" };
}
