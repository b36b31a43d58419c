/** What Jinja has and the parser lacks, written with what it takes. */
import type { Token } from "./lexer.js";

/** An item that ends a tuple, for the parser knows none with fewer than two. No template can name it. */
export const TUPLE_END = "(,)";
/** What begins the name of a filter that is a test with arguments: `a is in b` is `a | is in(b)`. */
export const TEST = "is ";

const OPENING = /^[([{]$/;
const CLOSING = /^[)\]}]$/;
/** Words that are no value, so that a bracket after them calls nothing, and no test has them for its argument. */
const WORDS: ReadonlySet<string> = new Set(["and", "elif", "else", "if", "in", "is", "not", "or"]);

const isName = ({ type, value }: Token): boolean => type === "Identifier" && !WORDS.has(value);
const isPunctuation = ({ type }: Token): boolean => type !== "Text" && type !== "StringLiteral";
const opens = (token: Token): boolean => isPunctuation(token) && OPENING.test(token.value);
const closes = (token: Token): boolean => isPunctuation(token) && CLOSING.test(token.value);

export const rewritten = (tokens: readonly Token[]): Token[] => withShortTuples(withTestCalls(tokens));

function withShortTuples(tokens: readonly Token[]): Token[] {
  const calls: boolean[] = [];
  return tokens.flatMap((token, i) => {
    const before = tokens[i - 1];
    if (opens(token)) calls.push(token.value !== "(" || (before !== undefined && endsValue(before)));
    if (!closes(token) || calls.pop() || before === undefined) return [token];
    if (before.type === "OpenParen") return [END, COMMA, END, token];
    return before.type === "Comma" ? [END, token] : [token];
  });
}

const END: Token = { type: "Identifier", value: TUPLE_END };
const COMMA: Token = { type: "Comma", value: "," };

const endsValue = (token: Token): boolean => isName(token) || closes(token) || token.type === "StringLiteral";

function withTestCalls(tokens: readonly Token[]): Token[] {
  const done: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const test = testAt(tokens, i);
    if (test === undefined) {
      done.push(tokens[i] as Token);
      continue;
    }
    const argument = withTestCalls(tokens.slice(test.from, test.to));
    const enclosed = tokens[test.from]?.type === "OpenParen" ? argument : [OPEN, ...argument, CLOSE];
    done.push({ type: "Pipe", value: "|" }, { type: "Identifier", value: test.name }, ...enclosed);
    i = test.to - 1;
  }
  return done;
}

const OPEN: Token = { type: "OpenParen", value: "(" };
const CLOSE: Token = { type: "CloseParen", value: ")" };

/** The test with an argument that begins at a token, and where its argument stands. */
function testAt(tokens: readonly Token[], i: number): { name: string; from: number; to: number } | undefined {
  const isWord = (at: number, word: string): boolean => tokens[at]?.type === "Identifier" && tokens[at]?.value === word;
  if (!isWord(i, "is") || tokens[i - 1]?.type === "Dot") return undefined;
  const at = isWord(i + 1, "not") ? i + 2 : i + 1;
  const [test, next] = [tokens[at], tokens[at + 1]];
  if (test?.type !== "Identifier") return undefined;
  if (next === undefined || !(isName(next) || next.type === "StringLiteral" || opens(next))) return undefined;
  const name = `${TEST}${at > i + 1 ? "not " : ""}${test.value}`;
  return { name, from: at + 1, to: endOf(tokens, at + 1) };
}

/** Where a value ends that begins at a token: with what is taken of it, but no operator. */
function endOf(tokens: readonly Token[], from: number): number {
  let end = opens(tokens[from] as Token) ? pastBracket(tokens, from) : from + 1;
  while (tokens[end - 1]?.type === "StringLiteral" && tokens[end]?.type === "StringLiteral") end++;
  for (let next = tokens[end]; next !== undefined; next = tokens[end]) {
    if (next.type === "Dot") end += 2;
    else if (next.type === "OpenSquareBracket" || next.type === "OpenParen") end = pastBracket(tokens, end);
    else break;
  }
  return end;
}

function pastBracket(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (opens(token)) depth++;
    if (closes(token) && --depth === 0) return i + 1;
  }
  return tokens.length;
}
