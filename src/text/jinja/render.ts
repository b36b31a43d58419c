import type { CallStatement, Expression, Filter, FilterStatement, For, Macro, SetStatement, Statement } from "./ast.js";
import { argumentsOf, evaluate, filtered } from "./expressions.js";
import { refuse } from "./fault.js";
import { globals } from "./globals.js";
import { GENERATION } from "./lexer.js";
import { numberOf } from "./literals.js";
import { LoopVariable } from "./loop.js";
import { macroOf, takenBeside } from "./macro.js";
import { Output, type Span } from "./output.js";
import type { Template } from "./parse.js";
import { textOf } from "./repr.js";
import { Scope } from "./scope.js";
import { Steps } from "./steps.js";
import { Callable, isTrue, itemsOf, kindOf, Namespace, type Value } from "./values.js";

export interface Rendered {
  readonly text: string;
  /** What stands between `{% generation %}` and its end, in UTF-16 units of the text. */
  readonly generated: readonly Span[];
}

/**
 * What a template writes with such variables.
 * @throws TemplateFault for what it says itself, and for what is not known or would not be as Jinja has it
 */
export function renderTemplate(template: Template, variables: ReadonlyMap<string, Value>, now: Date): Rendered {
  const scope = new Scope(globals(now));
  for (const [name, value] of variables) scope.set(name, value);
  const output = new Output(true);
  try {
    new Renderer().block(template.body, { scope, output, isLoop: false });
  } catch (error) {
    // Macros that call themselves, and texts longer than JavaScript has them.
    if (error instanceof RangeError) return refuse("it goes too deep or writes too much");
    throw error;
  }
  return output;
}

interface Place {
  readonly scope: Scope;
  readonly output: Output;
  /** Whether a loop is around. */
  readonly isLoop: boolean;
}

/** How a block ended: at its end, or by a loop control. */
type End = "break" | "continue" | undefined;

class Renderer {
  private readonly steps = new Steps();

  block(body: readonly Statement[], place: Place): End {
    for (const statement of body) {
      const end = this.statement(statement, place);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  private statement(node: Statement, place: Place): End {
    this.steps.take(1);
    switch (node.type) {
      case "Comment":
        return undefined;
      case "If":
        return this.block(isTrue(this.value(node.test, place)) ? node.body : node.alternate, place);
      case "For":
        return this.loop(node, place);
      case "Break":
      case "Continue":
        return place.isLoop ? (node.type === "Break" ? "break" : "continue") : refuse("it breaks off where no loop is");
      case "Set":
        return this.assign(node, place);
      case "Macro":
        place.scope.set(node.name.value, this.macro(node, place));
        return undefined;
      case "CallStatement":
        return this.callBlock(node, place);
      case "FilterStatement":
        return this.filterBlock(node, place);
      default:
        place.output.write(textOf(this.value(node, place)));
        return undefined;
    }
  }

  private value(node: Expression, { scope }: Place): Value {
    return evaluate(node, scope, this.steps);
  }

  private loop({ loopvar, iterable, body, defaultBlock }: For, place: Place): End {
    const [list, test] = iterable.type === "SelectExpression" ? [iterable.lhs, iterable.test] : [iterable];
    const scopeOf = (value: Value): Scope => {
      const scope = new Scope(place.scope);
      this.unpack(loopvar, value, { ...place, scope });
      return scope;
    };
    const passes = (value: Value) => !test || isTrue(evaluate(test, scopeOf(value), this.steps));
    const items = itemsOf(this.value(list, place)).filter(passes);
    const loop = new LoopVariable(items);
    for (const [i, value] of items.entries()) {
      this.steps.take(1);
      const scope = scopeOf(value);
      scope.set("loop", loop.at(i));
      if (this.block(body, { ...place, scope, isLoop: true }) === "break") break;
    }
    return items.length === 0 ? this.block(defaultBlock, { ...place, scope: new Scope(place.scope) }) : undefined;
  }

  private assign({ assignee, value, body }: SetStatement, place: Place): End {
    if (value !== null) this.unpack(assignee, this.value(value, place), place);
    else this.assignBlock(assignee, this.written(body, place), place);
    return undefined;
  }

  /** `{% set name | filter %}` puts what the block writes through filters first. */
  private assignBlock(assignee: Expression, text: Value, place: Place): void {
    const filters: Filter["filter"][] = [];
    let target = assignee;
    for (; target.type === "FilterExpression"; target = target.operand) filters.unshift(target.filter);
    this.unpack(
      target,
      filters.reduce((value, filter) => filtered(value, filter, place.scope, this.steps), text),
      place,
    );
  }

  /** What a block writes, as a text; its variables are its own. */
  private written(body: readonly Statement[], place: Pick<Place, "scope">): string {
    const output = new Output(false);
    this.block(body, { scope: new Scope(place.scope), output, isLoop: false });
    return output.text;
  }

  private unpack(target: Expression, value: Value, place: Place): void {
    if (target.type === "Identifier") place.scope.set(variableName(target.value), value);
    else if (target.type === "TupleLiteral") {
      const parts = itemsOf(value);
      if (parts.length !== target.value.length) refuse("it takes apart what has other parts");
      for (const [i, part] of target.value.entries()) this.unpack(part, parts[i], place);
    } else {
      const isMember = target.type === "MemberExpression" && !target.computed;
      const object = isMember ? this.value(target.object, place) : undefined;
      if (!isMember || !(object instanceof Namespace))
        refuse("it sets what is neither a variable nor a namespace's attribute");
      object.attributes.set(attributeName(target.property), value);
    }
  }

  private macro({ name, args, body }: Macro, place: Place): Callable {
    return macroOf({ name: name.value, parameters: args, takes: takenBeside(body) }, place.scope, this.steps, (scope) =>
      this.written(body, { scope }),
    );
  }

  /** `{% call %}`: a macro that is handed the block. */
  private callBlock({ call, callerArgs, body }: CallStatement, place: Place): End {
    if (call.callee.type === "Identifier" && call.callee.value === GENERATION) return this.generation(body, place);
    const macro = this.value(call.callee, place);
    if (!(macro instanceof Callable)) return refuse(`it calls with a block what is ${kindOf(macro)}`);
    const caller = macroOf(
      { name: "caller", parameters: callerArgs ?? [], takes: takenBeside(body) },
      place.scope,
      this.steps,
      (scope) => this.written(body, { scope }),
    );
    const { positional, named } = argumentsOf(call, place.scope, this.steps);
    place.output.write(textOf(macro.call({ positional, named: new Map(named).set("caller", caller) })));
    return undefined;
  }

  private filterBlock({ filter, body }: FilterStatement, place: Place): End {
    place.output.write(textOf(filtered(this.written(body, place), filter, place.scope, this.steps)));
    return undefined;
  }

  /** `{% generation %}`: its text stands in the whole, and is marked there. */
  private generation(body: readonly Statement[], place: Place): End {
    if (!place.output.isMain) return refuse("{% generation %} stands in a macro or a variable");
    const from = place.output.text.length;
    const end = this.block(body, { ...place, scope: new Scope(place.scope), isLoop: false });
    place.output.generated.push([from, place.output.text.length]);
    return end;
  }
}

const variableName = (name: string): string =>
  numberOf(name) === undefined ? name : refuse("it sets a number, which is no variable");

function attributeName(property: Expression): string {
  const name = property.type === "Identifier" ? property.value : refuse("it sets an attribute without a name");
  return name.startsWith("_") ? refuse(`it sets ${JSON.stringify(name)}, which no template may`) : name;
}
