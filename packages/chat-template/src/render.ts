/** Renders a parsed template. */
import type { CallStatement, Expression, Filter, FilterStatement, For, Macro, SetStatement, Statement } from "./ast.js";
import { refuse, StepBudget } from "./error.js";
import { argumentsOf, evaluate, filtered, Scope } from "./expressions.js";
import { globals } from "./globals.js";
import { GENERATION, numberLiteral } from "./lexer.js";
import { implicitIn, macroOf } from "./macro.js";
import type { ParsedTemplate } from "./parser.js";
import { str } from "./repr.js";
import { Callable, Fields, isTruthy, itemsOf, Namespace, typeName, type Value } from "./values.js";

/** A range of a text in UTF-16 units, the end excluded. */
export type Span = readonly [from: number, to: number];

export interface Rendered {
  readonly text: string;
  /** The text inside `{% generation %}` blocks. */
  readonly generated: readonly Span[];
}

/** @throws TemplateError for an error that the template raises, and for anything that is unsupported */
export function renderTemplate(template: ParsedTemplate, variables: ReadonlyMap<string, Value>, now: Date): Rendered {
  const scope = new Scope(globals(now));
  for (const [name, value] of variables) scope.set(name, value);
  const output = new Output(true);
  try {
    new Renderer().block(template.body, { scope, output, isLoop: false });
  } catch (error) {
    // A macro that calls itself, or a string longer than JavaScript allows.
    if (error instanceof RangeError) return refuse("it recurses too deeply or writes too much");
    throw error;
  }
  return output;
}

/** The most characters that a template may write. */
const MAX_CHARACTERS = 2 ** 26;

/** The text written so far. */
class Output {
  text = "";
  readonly generated: Span[] = [];

  /** @param isMain false for the text of a macro or variable, whose position in the whole is unknown */
  constructor(readonly isMain: boolean) {}

  write(text: string): void {
    this.text += text;
    if (this.text.length > MAX_CHARACTERS) refuse(`it writes more than ${MAX_CHARACTERS} characters`);
  }
}

interface Context {
  readonly scope: Scope;
  readonly output: Output;
  /** Whether `break` and `continue` are allowed. */
  readonly isLoop: boolean;
}

/** How a block ended: by a loop control, or undefined at its end. */
type End = "break" | "continue" | undefined;

class Renderer {
  private readonly steps = new StepBudget();

  block(body: readonly Statement[], context: Context): End {
    for (const statement of body) {
      const end = this.statement(statement, context);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  private statement(node: Statement, context: Context): End {
    this.steps.take(1);
    switch (node.type) {
      case "Comment":
        return undefined;
      case "If":
        return this.block(isTruthy(this.value(node.test, context)) ? node.body : node.alternate, context);
      case "For":
        return this.loop(node, context);
      case "Break":
      case "Continue":
        return context.isLoop
          ? node.type === "Break"
            ? "break"
            : "continue"
          : refuse("break or continue outside a loop");
      case "Set":
        return this.assign(node, context);
      case "Macro":
        context.scope.set(node.name.value, this.macro(node, context));
        return undefined;
      case "CallStatement":
        return this.callBlock(node, context);
      case "FilterStatement":
        return this.filterBlock(node, context);
      default:
        context.output.write(str(this.value(node, context)));
        return undefined;
    }
  }

  private value(node: Expression, { scope }: Context): Value {
    return evaluate(node, scope, this.steps);
  }

  private loop({ loopvar, iterable, body, defaultBlock }: For, context: Context): End {
    const [list, test] = iterable.type === "SelectExpression" ? [iterable.lhs, iterable.test] : [iterable];
    const scopeOf = (value: Value): Scope => {
      const scope = new Scope(context.scope);
      this.unpack(loopvar, value, { ...context, scope });
      return scope;
    };
    const passes = (value: Value) => !test || isTruthy(evaluate(test, scopeOf(value), this.steps));
    const items = itemsOf(this.value(list, context)).filter(passes);
    const loop = new LoopVariable(items);
    for (const [i, value] of items.entries()) {
      this.steps.take(1);
      const scope = scopeOf(value);
      scope.set("loop", loop.at(i));
      if (this.block(body, { ...context, scope, isLoop: true }) === "break") break;
    }
    return items.length === 0 ? this.block(defaultBlock, { ...context, scope: new Scope(context.scope) }) : undefined;
  }

  private assign({ assignee, value, body }: SetStatement, context: Context): End {
    if (value !== null) this.unpack(assignee, this.value(value, context), context);
    else this.assignBlock(assignee, this.written(body, context), context);
    return undefined;
  }

  /** `{% set name | filter %}` filters the text of the block. */
  private assignBlock(assignee: Expression, text: Value, context: Context): void {
    const filters: Filter["filter"][] = [];
    let target = assignee;
    for (; target.type === "FilterExpression"; target = target.operand) filters.unshift(target.filter);
    this.unpack(
      target,
      filters.reduce((value, filter) => filtered(value, filter, context.scope, this.steps), text),
      context,
    );
  }

  /** The text of a block, rendered in a new scope. */
  private written(body: readonly Statement[], context: Pick<Context, "scope">): string {
    const output = new Output(false);
    this.block(body, { scope: new Scope(context.scope), output, isLoop: false });
    return output.text;
  }

  private unpack(target: Expression, value: Value, context: Context): void {
    if (target.type === "Identifier") context.scope.set(variableName(target.value), value);
    else if (target.type === "TupleLiteral") {
      const parts = itemsOf(value);
      if (parts.length !== target.value.length) refuse("it unpacks the wrong number of values");
      for (const [i, part] of target.value.entries()) this.unpack(part, parts[i], context);
    } else {
      const isMember = target.type === "MemberExpression" && !target.computed;
      const object = isMember ? this.value(target.object, context) : undefined;
      if (!isMember || !(object instanceof Namespace))
        refuse("it assigns to something other than a variable or a namespace's attribute");
      object.attributes.set(attributeName(target.property), value);
    }
  }

  private macro({ name, args, body }: Macro, context: Context): Callable {
    const signature = { name: name.value, parameters: args, takes: implicitIn(body) };
    return macroOf(signature, context.scope, this.steps, (scope) => this.written(body, { scope }));
  }

  /** `{% call %}`: calls a macro with the block as `caller`. */
  private callBlock({ call, callerArgs, body }: CallStatement, context: Context): End {
    if (call.callee.type === "Identifier" && call.callee.value === GENERATION) return this.generation(body, context);
    const macro = this.value(call.callee, context);
    if (!(macro instanceof Callable)) return refuse(`a call block calls ${typeName(macro)}`);
    const signature = { name: "caller", parameters: callerArgs ?? [], takes: implicitIn(body) };
    const caller = macroOf(signature, context.scope, this.steps, (scope) => this.written(body, { scope }));
    const { positional, named } = argumentsOf(call, context.scope, this.steps);
    context.output.write(str(macro.call({ positional, named: new Map(named).set("caller", caller) })));
    return undefined;
  }

  private filterBlock({ filter, body }: FilterStatement, context: Context): End {
    context.output.write(str(filtered(this.written(body, context), filter, context.scope, this.steps)));
    return undefined;
  }

  /** `{% generation %}`: writes the block and records its span. */
  private generation(body: readonly Statement[], context: Context): End {
    if (!context.output.isMain) return refuse("{% generation %} is inside a macro or variable");
    const from = context.output.text.length;
    const end = this.block(body, { ...context, scope: new Scope(context.scope), isLoop: false });
    context.output.generated.push([from, context.output.text.length]);
    return end;
  }
}

const variableName = (name: string): string =>
  numberLiteral(name) === undefined ? name : refuse("it assigns to a number");

function attributeName(property: Expression): string {
  const name = property.type === "Identifier" ? property.value : refuse("it assigns to an attribute without a name");
  return name.startsWith("_") ? refuse(`it sets ${JSON.stringify(name)}, which is forbidden`) : name;
}

/** The variable `loop`: one object for the whole loop, as in Jinja. */
class LoopVariable {
  private readonly fields: Fields;

  constructor(private readonly items: readonly Value[]) {
    const fields: [string, Value][] = [
      ["length", BigInt(items.length)],
      // Jinja counts the depth of recursive loops only.
      ["depth", 1n],
      ["depth0", 0n],
      ["cycle", new Callable("cycle", ({ positional }) => positional[this.index % positional.length])],
      ["changed", new Callable("changed", () => refuse("loop.changed() is not supported"))],
    ];
    this.fields = new Fields(new Map(fields));
  }

  /** The variable in iteration `i`. */
  at(i: number): Value {
    const { length } = this.items;
    this.fields.attributes
      .set("index", BigInt(i + 1))
      .set("index0", BigInt(i))
      .set("revindex", BigInt(length - i))
      .set("revindex0", BigInt(length - i - 1))
      .set("first", i === 0)
      .set("last", i === length - 1)
      .set("previtem", this.items[i - 1])
      .set("nextitem", this.items[i + 1]);
    return this.fields;
  }

  private get index(): number {
    return Number(this.fields.attributes.get("index0"));
  }
}
