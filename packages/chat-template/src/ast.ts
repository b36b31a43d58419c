/** The nodes of a parsed template, as @huggingface/jinja's parser returns them. Numbers are identifiers: see the lexer. */

export interface Operator {
  readonly value: string;
}

export interface Identifier {
  readonly type: "Identifier";
  readonly value: string;
}

export interface KeywordArgument {
  readonly type: "KeywordArgumentExpression";
  readonly key: Identifier;
  readonly value: Expression;
}

export interface Call {
  readonly type: "CallExpression";
  readonly callee: Expression;
  readonly args: readonly Expression[];
}

export interface Slice {
  readonly type: "SliceExpression";
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

export interface Member {
  readonly type: "MemberExpression";
  readonly object: Expression;
  readonly property: Expression;
  /** Whether it is `object[property]`, not `object.property`. */
  readonly computed: boolean;
}

export interface Binary {
  readonly type: "BinaryExpression";
  readonly operator: Operator;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Filter {
  readonly type: "FilterExpression";
  readonly operand: Expression;
  readonly filter: Identifier | Call;
}

export interface Test {
  readonly type: "TestExpression";
  readonly operand: Expression;
  readonly negate: boolean;
  readonly test: Identifier;
}

/** `a if b` without `else`, and a loop's `list if test`. */
export interface Select {
  readonly type: "SelectExpression";
  readonly lhs: Expression;
  readonly test: Expression;
}

/** `*a` or `**a` among arguments. */
export interface Spread {
  readonly type: "SpreadExpression" | "KeywordSpreadExpression";
  readonly argument: Expression;
}

export type Expression =
  | Identifier
  | KeywordArgument
  | Call
  | Slice
  | Member
  | Binary
  | Filter
  | Test
  | Select
  | Spread
  | { readonly type: "StringLiteral"; readonly value: string }
  | { readonly type: "ArrayLiteral" | "TupleLiteral"; readonly value: readonly Expression[] }
  | { readonly type: "ObjectLiteral"; readonly value: ReadonlyMap<Expression, Expression> }
  | { readonly type: "UnaryExpression"; readonly operator: Operator; readonly argument: Expression }
  | {
      readonly type: "Ternary";
      readonly condition: Expression;
      readonly trueExpr: Expression;
      readonly falseExpr: Expression;
    };

export interface If {
  readonly type: "If";
  readonly test: Expression;
  readonly body: readonly Statement[];
  readonly alternate: readonly Statement[];
}

export interface For {
  readonly type: "For";
  readonly loopvar: Expression;
  readonly iterable: Expression;
  readonly body: readonly Statement[];
  readonly defaultBlock: readonly Statement[];
}

export interface SetStatement {
  readonly type: "Set";
  readonly assignee: Expression;
  readonly value: Expression | null;
  readonly body: readonly Statement[];
}

export interface Macro {
  readonly type: "Macro";
  readonly name: Identifier;
  readonly args: readonly Parameter[];
  readonly body: readonly Statement[];
}

export type Parameter = Identifier | KeywordArgument;

export interface CallStatement {
  readonly type: "CallStatement";
  readonly call: Call;
  /** The parameters of `{% call(a, b) %}`. */
  readonly callerArgs: readonly Parameter[] | null;
  readonly body: readonly Statement[];
}

export interface FilterStatement {
  readonly type: "FilterStatement";
  readonly filter: Identifier | Call;
  readonly body: readonly Statement[];
}

export type Statement =
  | Expression
  | If
  | For
  | SetStatement
  | Macro
  | CallStatement
  | FilterStatement
  | { readonly type: "Break" | "Continue" | "Comment" };
