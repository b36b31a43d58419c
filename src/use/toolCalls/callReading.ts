/** Reading the calls of answers about tools. */
import { TokenBytes, type Tokenizer, type Tool } from "../../text/index.js";
import type { AnswerReader, CallPiece, ReadPiece } from "./format.js";
import { callFormatOf, newCallId, requireCallFormat } from "./formats.js";

/** The special tokens of which calls consist; none for a model whose calls are not read. */
export function shownMarks(
  tokenizer: Tokenizer,
  bytes = new TokenBytes(tokenizer),
  format = callFormatOf(tokenizer),
): ReadonlySet<number> {
  const ids = (format?.marks ?? []).map((mark) => tokenizer.tokenId(mark)).filter((id) => id !== undefined);
  return new Set(ids.filter((id) => bytes.isSpecial(id)));
}

/** How the answers of a call or request are read. */
export class CallReading {
  /** The special tokens that must be seen. */
  readonly shown: ReadonlySet<number>;
  /** For an answer. */
  readonly newReader: () => AnswerReader;

  /** @param isSingle whether further calls are left out @throws BidoraError `TOOLS` for a model whose calls are not read */
  constructor(tokenizer: Tokenizer, bytes: TokenBytes, tools: readonly Tool[], isSingle: boolean) {
    const format = requireCallFormat(tokenizer);
    const names = new Set(tools.map((tool) => tool.function.name));
    const read = { isTool: (name: string) => names.has(name), newId: () => newCallId(format) };
    this.shown = shownMarks(tokenizer, bytes, format);
    this.newReader = () => (isSingle ? new FirstCall(format.reader(read)) : format.reader(read));
  }
}

/** Leaves out all calls but the first. */
class FirstCall implements AnswerReader {
  constructor(private readonly reader: AnswerReader) {}

  put(text: string): ReadPiece {
    return first(this.reader.put(text));
  }

  end(): ReadPiece {
    return first(this.reader.end());
  }
}

const first = ({ text, calls }: ReadPiece): ReadPiece => ({ text, calls: calls.filter(({ index }) => index === 0) });

/** A whole call, in OpenAI's form. */
export interface ReadCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** Puts the parts of calls together. */
export function wholeCalls(pieces: readonly CallPiece[]): ReadCall[] {
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const { index, id = "", name = "", arguments: more } of pieces) {
    calls[index] ??= { id, name, arguments: "" };
    calls[index].arguments += more;
  }
  return calls.map(({ id, ...own }) => ({ id, type: "function", function: own }));
}
