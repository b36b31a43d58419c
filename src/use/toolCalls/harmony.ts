/** `<|channel|>commentary to=functions.name <|constrain|>json<|message|>{…}<|call|>`: gpt-oss. */
import type { AnswerReader, CallFormat, CallNames, CallPiece, ReadPiece } from "./format.js";
import { partialMark } from "./reading.js";

const [START, CHANNEL, CONSTRAIN, MESSAGE] = ["<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"];
/** What ends a message. */
const ENDS = ["<|end|>", "<|call|>", "<|return|>", START];

export const harmony: CallFormat = {
  isOf: (template) => template.includes(CHANNEL) && template.includes("functions."),
  marks: [CHANNEL, CONSTRAIN, MESSAGE, ...ENDS],
  writing: () => ({
    open: `${CHANNEL}commentary to=functions.`,
    head: (name) => `${name} ${CONSTRAIN}json${MESSAGE}`,
    tail: "",
    separator: undefined,
    close: "",
  }),
  reader: (names) => new HarmonyReader(names),
};

/** An answer is several messages: headers, and what follows them. The channel `analysis` is not shown. */
class HarmonyReader implements AnswerReader {
  #held = "";
  /** Of the message that is being read; undefined in its header. */
  #kind: "text" | "call" | "hidden" | undefined;
  #count = 0;

  constructor(private readonly names: CallNames) {}

  put(text: string): ReadPiece {
    this.#held += text;
    const read = { text: "", calls: [] as CallPiece[] };
    while (this.#kind === undefined ? this.#header(read) : this.#body(read, false));
    return read;
  }

  end(): ReadPiece {
    const read = { text: "", calls: [] as CallPiece[] };
    if (this.#kind === undefined && !/<\|(channel|start)\|>/.test(this.#held)) this.#kind = "text";
    while (this.#kind !== undefined && this.#body(read, true));
    return read;
  }

  #header(read: { calls: CallPiece[] }): boolean {
    const end = this.#held.indexOf(MESSAGE);
    if (end < 0) return false;
    const header = this.#held.slice(0, end);
    this.#held = this.#held.slice(end + MESSAGE.length);
    const name = /to=functions\.([^\s<]+)/.exec(header)?.[1];
    if (name !== undefined && this.names.isTool(name)) {
      read.calls.push({ index: this.#count++, id: this.names.newId(), name, arguments: "" });
      this.#kind = "call";
    } else this.#kind = header.includes(`${CHANNEL}analysis`) ? "hidden" : "text";
    return true;
  }

  /** @returns whether another message follows */
  #body(read: { text: string; calls: CallPiece[] }, isEnd: boolean): boolean {
    const found = ENDS.map((end) => ({ end, at: this.#held.indexOf(end) })).filter(({ at }) => at >= 0);
    const [first] = found.sort((a, b) => a.at - b.at);
    const to = first?.at ?? this.#held.length - (isEnd ? 0 : partialMark(this.#held, ENDS));
    const part = this.#held.slice(0, to);
    if (this.#kind === "text") read.text += part;
    else if (this.#kind === "call" && part !== "") read.calls.push({ index: this.#count - 1, arguments: part });
    this.#held = this.#held.slice(to + (first && first.end !== START ? first.end.length : 0));
    if (first) this.#kind = undefined;
    return first !== undefined;
  }
}
