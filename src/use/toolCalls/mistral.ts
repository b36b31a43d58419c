/** `[TOOL_CALLS][{"name": …, "arguments": …}]`, or `[TOOL_CALLS]name[ARGS]{…}`: Mistral. */
import { randomInt } from "node:crypto";
import type { CallFormat } from "./format.js";
import { inList, JsonCalls } from "./jsonCalls.js";
import { type CallStretch, MarkedReader, ObjectEnd, type StretchStep } from "./reading.js";

const [MARK, ID, ARGUMENTS] = ["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"];

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

export const mistral: CallFormat = {
  isOf: (template) => template.includes(MARK),
  marks: [MARK, ID, ARGUMENTS],
  writing: (template) =>
    template.includes(ARGUMENTS)
      ? { open: MARK, head: (name) => `${name}${ARGUMENTS}`, tail: "", separator: MARK, close: "" }
      : {
          open: `${MARK}[`,
          head: (name) => `{"name": ${JSON.stringify(name)}, "arguments":`,
          tail: "}",
          separator: ", ",
          close: "]",
        },
  reader: (names) => new MarkedReader(names, [MARK], () => new Calls()),
  /** The templates take no other ids. */
  newId: () => Array.from({ length: 9 }, () => LETTERS[randomInt(LETTERS.length)]).join(""),
};

/** Which of the two forms it is, the first character says. */
class Calls implements CallStretch {
  #form: CallStretch | undefined;

  step(text: string, isEnd: boolean): StretchStep {
    const [first] = text.trimStart();
    if (!this.#form && first === undefined) return { used: text.length, state: "more" };
    this.#form ??= first === "[" || first === "{" ? new JsonCalls(inList) : new NamedCall();
    return this.#form.step(text, isEnd);
  }
}

class NamedCall implements CallStretch {
  #place: "name" | "space" | "arguments" = "name";
  readonly #end = new ObjectEnd();

  step(text: string): StretchStep {
    if (this.#place === "name") return this.#head(text);
    const space = this.#place === "space" ? text.length - text.trimStart().length : 0;
    if (space > 0) return { used: space };
    if (text === "") return { used: 0, state: "more" };
    if (this.#place === "space" && text[0] !== "{") return { used: 0, state: "over" };
    this.#place = "arguments";
    const end = this.#end.in(text);
    const used = end ?? text.length;
    return { used, arguments: text.slice(0, used), ...(end !== undefined && { state: "over" }) };
  }

  #head(text: string): StretchStep {
    const at = text.indexOf(ARGUMENTS);
    if (at < 0) return { used: 0, state: "more" };
    this.#place = "space";
    const [name = ""] = text.slice(0, at).split(ID);
    return { used: at + ARGUMENTS.length, begun: name.trim() };
  }
}
