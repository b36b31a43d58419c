/** Splits a template as Jinja does, into the tokens that @huggingface/jinja's parser takes. */
import { refuse } from "./fault.js";
import { unescaped } from "./literals.js";
import { SPACE, trimmedEnd } from "./spaces.js";

export interface Token {
  readonly type: string;
  readonly value: string;
}

/** What transformers' `{% generation %}` becomes for the parser: a call block of something that no template can name. */
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
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^[-+~]$/, "AdditiveBinaryOperator"],
  [/^(\/\/?|[*%])$/, "MultiplicativeBinaryOperator"],
];
const CLOSED_BY: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * @param source with "\n" at the end of its lines
 * @throws TemplateFault for what Jinja can't read either
 */
export function tokensOf(source: string): Token[] {
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

  /** Text up to a block, and that block. */
  private text(): void {
    const opening = this.find(OPENING);
    if (opening === undefined) {
      this.push("Text", this.source.slice(this.at));
      this.at = this.source.length;
      return;
    }
    const [, rawSign, kind, sign] = opening;
    this.textBefore(opening, rawSign ?? sign, kind !== "{");
    if (kind === "#") this.after(this.find(COMMENT_END) ?? refuse("a comment is not closed"));
    else if (kind === "{") this.tag("OpenExpression", "CloseExpression", VARIABLE_END);
    else if (kind === "%") this.tag("OpenStatement", "CloseStatement", BLOCK_END);
    else this.raw();
  }

  /** What stands between `{% raw %}` and its end is text. */
  private raw(): void {
    const end = this.find(RAW_END) ?? refuse("{% raw %} is not closed");
    this.textBefore(end, end[1], true);
  }

  /** A block takes the blanks before it in its line along, and with `-` all white space. */
  private textBefore(found: RegExpExecArray, sign: string | undefined, isBlock: boolean): void {
    const text = this.source.slice(this.at, found.index);
    const line = text.lastIndexOf("\n") + 1;
    const beginsLine = line > 0 || this.at === 0 || this.source[this.at - 1] === "\n";
    const isBlank = isBlock && sign !== "+" && beginsLine && trimmedEnd(text.slice(line)) === "";
    this.push("Text", sign === "-" ? trimmedEnd(text) : isBlank ? text.slice(0, line) : text);
    this.after(found);
  }

  /** What stands in a block, up to its end. */
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
    if (this.at >= this.source.length) refuse("a block or a bracket is not closed");
    if (this.match(WHITE)) return;
    // The parser would round a number: it goes through as a name.
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
      refuse(`it has ${operator} where none was opened`);
    const kind = KINDS.find(([pattern]) => pattern.test(operator))?.[1];
    this.push(OPERATORS[operator] ?? kind ?? "ComparisonBinaryOperator", operator);
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

  private after(found: RegExpExecArray): void {
    this.at = found.index + found[0].length;
  }

  /** The next one of a pattern; one that is sticky is looked for here alone. */
  private find(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source) ?? undefined;
  }

  private match(pattern: RegExp): RegExpExecArray | undefined {
    const found = this.find(pattern);
    if (found) this.after(found);
    return found;
  }
}
