/** From the bytes of a body to a request. */
import { duplicateKeyIn } from "../../../base/index.js";
import { invalid } from "../apiError.js";
import { readChat } from "./chat.js";
import { readCompletion } from "./completion.js";
import { readEmbeddings } from "./embeddings.js";
import { readRerank } from "./rerank.js";

/** By the last part of the route. */
const READERS = { chat: readChat, completions: readCompletion, embeddings: readEmbeddings, rerank: readRerank };

export type RequestKind = keyof typeof READERS;
export type RequestOf<Kind extends RequestKind> = ReturnType<(typeof READERS)[Kind]>;

/** The most values of a body. Parsing a list or an object takes as long as 8 numbers, and a name in one as long as 64. */
const MOST_VALUES = 2 ** 20;
const OF_LIST = 8;
const OF_NAME = 64;

/** What is wrong with a body that has more levels than can be sent from one thread to another. */
export const NESTED = "The body is nested too deeply.";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE, COLON] = Buffer.from('"\\,[{:');

/** @throws ApiError 400 for a body that is not JSON, has too many values or is no request of the kind */
export function readRequest<Kind extends RequestKind>(kind: Kind, bytes: ArrayBuffer): RequestOf<Kind> {
  if (valuesIn(new Uint8Array(bytes)) > MOST_VALUES)
    throw invalid(
      `The body has more values than the server takes, such as ${MOST_VALUES} numbers or ${MOST_VALUES / OF_NAME} names in objects: send several requests.`,
    );
  const [text, body] = jsonOf(bytes);
  const twice = duplicateKeyIn(text, body);
  if (twice !== undefined) throw invalid(`The body has ${JSON.stringify(twice)} twice in one object: send it once.`);
  return READERS[kind](body) as RequestOf<Kind>;
}

/** Counts values by the characters around them, which takes no memory. */
function valuesIn(bytes: Uint8Array): number {
  let values = 0;
  let isInText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) isInText = !isInText;
    else if (isInText) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === COMMA) values++;
    else if (byte === BRACKET || byte === BRACE) values += OF_LIST;
    else if (byte === COLON) values += OF_NAME;
  }
  return values;
}

function jsonOf(bytes: ArrayBuffer): [text: string, value: unknown] {
  try {
    const text = utf8.decode(bytes);
    return [text, JSON.parse(text)];
  } catch {
    throw invalid("The body must be JSON in UTF-8.");
  }
}
