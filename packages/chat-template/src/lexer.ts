/** Splits a template as Jinja does, into the tokens that @huggingface/jinja's parser reads. */
import { refuse } from "./error.js";
import { bounded } from "./numbers.js";
import { SPACE, trimEnd } from "./strings.js";

export interface Token {
  readonly type: string;
  readonly value: string;
}

/** The callee that stands for transformers' `{% generation %}`: the parser sees a call block. No template can name it. */
export const GENERATION = "{% generation %}";

const spaced = (pattern: string, flags: string): RegExp => new RegExp(pattern.replaceAll("S", `[${SPACE}]*`), flags);

const OPENING = spaced("\\{%([-+]?)Sraw(?:S-%\\}S|S%\\})|\\{([%#{])([-+]?)", "gu");
const RAW_END = spaced("\\{%([-+]?)Sendraw(?:S\\+%\\}|S-%\\}S|S%\\}\\n?)", "gu");
const COMMENT_END = spaced("\\+#\\}|-#\\}S|#\\}\\n?", "gu");
const BLOCK_END = spaced("\\+%\\}|-%\\}S|%\\}\\n?", "yu");
const VARIABLE_END = spaced("-\\}\\}S|\\}\\}", "yu");

const WHITE = new RegExp(`[${SPACE}]+`, "yu");
const DIGITS = "(?:\\d+_)*\\d+";
const NUMBER = new RegExp(
  `(?<!\\.)${DIGITS}(?:(?:\\.${DIGITS})?e[-+]?${DIGITS}|\\.${DIGITS})|0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\\da-f])+|[1-9](?:_?\\d)*|0(?:_?0)*`,
  "iyu",
);
const NAME = /[A-Za-z_]\w*/uy;
const STRING = /'([^'\\]*(?:\\[\s\S][^'\\]*)*)'|"([^"\\]*(?:\\[\s\S][^"\\]*)*)"/uy;
const OPERATOR = /\/\/|\*\*|[=!<>]=|[-+/*%~[\](){}<>=.:|,]/uy;

const OPERATORS: Readonly<Record<string, string>> = {
  "=": "Equals",
  "(": "OpenParen",
  ")": "CloseParen",
  "[": "OpenSquareBracket",
  "]": "CloseSquareBracket",
  "{": "OpenCurlyBracket",
  "}": "CloseCurlyBracket",
  ",": "Comma",
  ".": "Dot",
  ":": "Colon",
  "|": "Pipe",
  "**": "ExponentiationBinaryOperator",
};
const OPERATOR_TYPES: readonly (readonly [RegExp, string])[] = [
  [/^[-+~]$/, "AdditiveBinaryOperator"],
  [/^(\/\/?|[*%])$/, "MultiplicativeBinaryOperator"],
];
const CLOSED_BY: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * @param source with "\n" as its line ends
 * @throws TemplateError for a template that Jinja cannot read either
 */
export function tokenize(source: string): Token[] {
  return new Lexer(source.endsWith("\n") ? source.slice(0, -1) : source).run();
}

class Lexer {
  private readonly tokens: Token[] = [];
  private at = 0;

  constructor(private readonly source: string) {}

  run(): Token[] {
    while (this.at < this.source.length) this.text();
    return this.tokens;
  }

  /** Reads the text before the next block, and that block. */
  private text(): void {
    const opening = this.find(OPENING);
    if (opening === undefined) {
      this.push("Text", this.source.slice(this.at));
      this.at = this.source.length;
      return;
    }
    const [, rawSign, kind, sign] = opening;
    this.textBefore(opening, rawSign ?? sign, kind !== "{");
    if (kind === "#") this.skip(this.find(COMMENT_END) ?? refuse("a comment is not closed"));
    else if (kind === "{") this.tag("OpenExpression", "CloseExpression", VARIABLE_END);
    else if (kind === "%") this.tag("OpenStatement", "CloseStatement", BLOCK_END);
    else this.raw();
  }

  /** Everything between `{% raw %}` and `{% endraw %}` is text. */
  private raw(): void {
    const end = this.find(RAW_END) ?? refuse("{% raw %} is not closed");
    this.textBefore(end, end[1], true);
  }

  /** A block removes the white space before it on its line (`lstrip_blocks`); with `-` all white space before it. */
  private textBefore(found: RegExpExecArray, sign: string | undefined, isBlock: boolean): void {
    const text = this.source.slice(this.at, found.index);
    const line = text.lastIndexOf("\n") + 1;
    const beginsLine = line > 0 || this.at === 0 || this.source[this.at - 1] === "\n";
    const isBlank = isBlock && sign !== "+" && beginsLine && trimEnd(text.slice(line)) === "";
    this.push("Text", sign === "-" ? trimEnd(text) : isBlank ? text.slice(0, line) : text);
    this.skip(found);
  }

  /** Reads a block up to its end. */
  private tag(open: string, close: string, end: RegExp): void {
    const first = this.tokens.length;
    this.push(open, open === "OpenStatement" ? "{%" : "{{");
    const brackets: string[] = [];
    for (;;) {
      const closing = brackets.length === 0 ? this.match(end) : undefined;
      if (closing !== undefined) break;
      this.inTag(brackets);
    }
    this.push(close, close === "CloseStatement" ? "%}" : "}}");
    this.markGeneration(first);
  }

  private inTag(brackets: string[]): void {
    if (this.at >= this.source.length) refuse("a block or bracket is not closed");
    if (this.match(WHITE)) return;
    // The parser would round numbers, so they pass through it as names.
    const word = this.match(NUMBER) ?? this.match(NAME);
    if (word) this.push("Identifier", word[0]);
    const string = word ? undefined : this.match(STRING);
    if (string) this.push("StringLiteral", unescaped(string[1] ?? (string[2] as string)), true);
    if (!word && !string) this.operator(brackets);
  }

  private operator(brackets: string[]): void {
    const operator = this.match(OPERATOR)?.[0] ?? refuse(`it has ${JSON.stringify(this.source[this.at])} in a block`);
    if (operator in CLOSED_BY) brackets.push(CLOSED_BY[operator] as string);
    else if (/^[)\]}]$/.test(operator) && brackets.pop() !== operator)
      refuse(`it has ${operator} without its opening bracket`);
    const type = OPERATOR_TYPES.find(([pattern]) => pattern.test(operator))?.[1];
    this.push(OPERATORS[operator] ?? type ?? "ComparisonBinaryOperator", operator);
  }

  private markGeneration(first: number): void {
    const word = this.tokens[first + 1];
    if (this.tokens.length - first !== 3 || word?.type !== "Identifier") return;
    if (word.value === "endgeneration") this.tokens[first + 1] = { type: "Identifier", value: "endcall" };
    if (word.value !== "generation" || this.tokens[first]?.type !== "OpenStatement") return;
    const call = ["Identifier:call", `Identifier:${GENERATION}`, "OpenParen:(", "CloseParen:)"].map((token) => {
      const [type, value] = token.split(":") as [string, string];
      return { type, value };
    });
    this.tokens.splice(first + 1, 1, ...call);
  }

  private push(type: string, value: string, mayBeEmpty = false): void {
    if (value !== "" || mayBeEmpty) this.tokens.push({ type, value });
  }

  private skip(found: RegExpExecArray): void {
    this.at = found.index + found[0].length;
  }

  /** The next match; a sticky pattern matches at the current position only. */
  private find(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source) ?? undefined;
  }

  private match(pattern: RegExp): RegExpExecArray | undefined {
    const found = this.find(pattern);
    if (found) this.skip(found);
    return found;
  }
}

/** The value of a number in a template; undefined for a name. */
export function numberLiteral(word: string): bigint | number | undefined {
  if (!/^\d/.test(word)) return undefined;
  const plain = word.replaceAll("_", "");
  return /^(0[xob]|\d+$)/i.test(plain) ? bounded(BigInt(plain.toLowerCase())) : Number(plain);
}

const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** The value of a string literal: Python's escapes are replaced, unknown ones kept. */
function unescaped(text: string): string {
  return text.replace(ESCAPE, (whole, octal?: string, x?: string, u?: string, long?: string, short?: string) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const hex = x ?? u ?? long;
    if (hex !== undefined) return character(hex);
    if (short === "x" || short === "u" || short === "U" || short === "N")
      return refuse(`unsupported escape ${JSON.stringify(whole)} in a string`);
    return Object.hasOwn(SHORT_ESCAPES, short as string) ? (SHORT_ESCAPES[short as string] as string) : whole;
  });
}

function character(hex: string): string {
  const code = Number.parseInt(hex, 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : refuse(`the escape ${hex} in a string is not a character`);
}
