/** Parses a template with @huggingface/jinja's parser, after rewriting what that parser lacks. */
import { parse } from "@huggingface/jinja";
import type { Statement } from "./ast.js";
import { refuse, TemplateError } from "./error.js";
import { GENERATION, type Token, tokenize } from "./lexer.js";

export interface ParsedTemplate {
  readonly body: readonly Statement[];
  /** Whether it has `{% generation %}` blocks. */
  readonly marksGeneration: boolean;
}

/**
 * Parses a template with `trim_blocks` and `lstrip_blocks`, as transformers does.
 * @throws TemplateError for a syntax error
 */
export function parseTemplate(source: string): ParsedTemplate {
  try {
    const tokens = tokenize(source.replace(/\r\n?/g, "\n"));
    const rewritten = withShortTuples(withTestCalls(tokens));
    refuseChains(rewritten);
    const body = parse(rewritten as Parameters<typeof parse>[0]).body as unknown as Statement[];
    return { body, marksGeneration: tokens.some(({ type, value }) => type === "Identifier" && value === GENERATION) };
  } catch (error) {
    if (error instanceof TemplateError) throw error;
    // The parser reads past the last token where a block or bracket is left open.
    const why = error instanceof TypeError ? "a block or bracket is not closed" : (error as Error).message;
    return refuse(`syntax error (${why})`);
  }
}

const OPENING = /^[([{]$/;
const CLOSING = /^[)\]}]$/;
/** Keywords after which a bracket does not call, and which are no argument of a test. */
const KEYWORDS: ReadonlySet<string> = new Set(["and", "elif", "else", "if", "in", "is", "not", "or"]);

const isName = ({ type, value }: Token): boolean => type === "Identifier" && !KEYWORDS.has(value);
const isPunctuation = ({ type }: Token): boolean => type !== "Text" && type !== "StringLiteral";
const opens = (token: Token): boolean => isPunctuation(token) && OPENING.test(token.value);
const closes = (token: Token): boolean => isPunctuation(token) && CLOSING.test(token.value);

/** Added to tuples with fewer than two items, which the parser lacks. No template can name it. */
export const TUPLE_END = "(,)";

const END: Token = { type: "Identifier", value: TUPLE_END };
const COMMA: Token = { type: "Comma", value: "," };

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

const endsValue = (token: Token): boolean => isName(token) || closes(token) || token.type === "StringLiteral";

/** Begins the name of the filter that a test with arguments becomes: `a is in b` is parsed as `a | is in(b)`. */
export const TEST = "is ";

const OPEN: Token = { type: "OpenParen", value: "(" };
const CLOSE: Token = { type: "CloseParen", value: ")" };

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

/** The test with an argument that begins at token `i`, and the token range of its argument. */
function testAt(tokens: readonly Token[], i: number): { name: string; from: number; to: number } | undefined {
  const isWord = (at: number, word: string): boolean => tokens[at]?.type === "Identifier" && tokens[at]?.value === word;
  if (!isWord(i, "is") || tokens[i - 1]?.type === "Dot") return undefined;
  const at = isWord(i + 1, "not") ? i + 2 : i + 1;
  const [test, next] = [tokens[at], tokens[at + 1]];
  if (test?.type !== "Identifier") return undefined;
  if (next === undefined || !(isName(next) || next.type === "StringLiteral" || opens(next))) return undefined;
  const name = `${TEST}${at > i + 1 ? "not " : ""}${test.value}`;
  return { name, from: at + 1, to: operandEnd(tokens, at + 1) };
}

/** The end of the operand that begins at a token: a value with its attributes, items and calls, but no operators. */
function operandEnd(tokens: readonly Token[], from: number): number {
  let end = opens(tokens[from] as Token) ? bracketEnd(tokens, from) : from + 1;
  while (tokens[end - 1]?.type === "StringLiteral" && tokens[end]?.type === "StringLiteral") end++;
  for (let next = tokens[end]; next !== undefined; next = tokens[end]) {
    if (next.type === "Dot") end += 2;
    else if (next.type === "OpenSquareBracket" || next.type === "OpenParen") end = bracketEnd(tokens, end);
    else break;
  }
  return end;
}

function bracketEnd(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (opens(token)) depth++;
    if (closes(token) && --depth === 0) return i + 1;
  }
  return tokens.length;
}

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", ">", "<=", ">=", "in"]);
/** Tokens that end a comparison. */
const COMPARISON_ENDS: ReadonlySet<string> = new Set(["and", "or", "if", "else", "not", ",", ":", "=", "%}", "}}"]);

/** Refuses `a < b < c`: Python reads it as `a < b and b < c`, the parser as `(a < b) < c`. */
function refuseChains(tokens: readonly Token[]): void {
  const compared = [false];
  for (const [i, token] of tokens.entries()) {
    const { value } = token;
    if (!isPunctuation(token) || tokens[i - 1]?.type === "Dot") continue;
    if (opens(token)) compared.push(false);
    else if (closes(token)) compared.pop();
    else if (COMPARISONS.has(value)) {
      if (compared.pop()) refuse("chained comparisons are not supported");
      compared.push(true);
    } else if (COMPARISON_ENDS.has(value) && !(value === "not" && tokens[i + 1]?.value === "in")) {
      compared.pop();
      compared.push(false);
    }
  }
}
