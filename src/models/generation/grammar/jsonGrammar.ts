// The grammar of the JSON texts that a JSON Schema allows, in XGrammar's EBNF. Every text of the grammar is valid; where the grammar has
// fewer texts than the schema, its comments say so. XGrammar's own conversion is not used: for several keywords it writes grammars whose texts
// the schema does not allow, or that are no JSON.

import { isObject, own } from "../../../base/index.js";
import { itemsOf, membersOf } from "./containerRules.js";
import { integers, NUMBER_RULES, numbers, oneOfTexts, separable } from "./literalRules.js";
import {
  ANNOTATIONS,
  BOUNDS,
  boundsOf,
  constant,
  countOf,
  KEYWORDS,
  keysOfPointer,
  ofType,
  type SchemaObject,
  type TypeName,
  textsOf,
  typesOf,
  wrong,
} from "./schemaKeywords.js";
import { STRING_RULES, StringRules } from "./stringRules.js";

/** A JSON Schema. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** Schemas with more levels or references are refused. */
const MOST_DEPTH = 64;
const MOST_REFS = 500;

/** Rules that all grammars share: no endless whitespace. */
const COMMON = String.raw`
ws ::= "" | " " | "\n" [ \t]{0,20}
hex ::= [0-9a-fA-F]
${STRING_RULES}
${NUMBER_RULES}
value ::= "{" ws members | "[" ws items | string | number | "true" | "false" | "null"
members ::= "}" | string ":" ws value furthermembers
furthermembers ::= "," ws string ":" ws value furthermembers | ws "}"
items ::= "]" | value furtheritems
furtheritems ::= "," ws value furtheritems | ws "]"
`;

/** The most characters of a grammar's rules. */
const MOST_TEXT = 2 ** 21;

/** The grammar of a schema. @throws BidoraError `JSON_SCHEMA` for a schema that has no values, or a keyword that is not supported */
export const jsonGrammar = (schema: JsonSchema): string =>
  written(() => new GrammarText(schema, (of) => of(schema, [])).text);

/** @throws BidoraError `JSON_SCHEMA` for a schema with too many levels */
export function written(write: () => string): string {
  try {
    return write();
  } catch (error) {
    throw error instanceof RangeError ? wrong([], "is nested too deeply") : error;
  }
}

/** The expression of a schema. @param path of keywords to it */
export type SchemaText = (schema: unknown, path: readonly string[]) => string;

/** Rules that are being written. */
export class GrammarText {
  readonly #rules: string[] = [];
  readonly #strings = new StringRules((rule) => this.#add(rule));
  #length = 0;
  /** The names of the rules of schemas that are referred to. */
  readonly #refs = new Map<string, string>();
  /** The references whose rules are being written, and have had no text since. */
  #open: readonly string[] = [];

  /** @param root that references begin at @param write the root's expression */
  constructor(
    private readonly root: unknown,
    write: (of: SchemaText, rule: (text: string) => string) => string,
  ) {
    const expression = write(
      (schema, path) => this.#of(schema, path),
      (text) => this.#rule(text),
    );
    this.#add(`root ::= ${expression}`);
  }

  get text(): string {
    return `${this.#rules.join("\n")}\n${COMMON}`;
  }

  /** The expression of a schema. @param path of keywords to it */
  #of(schema: unknown, path: readonly string[]): string {
    if (path.length > MOST_DEPTH) throw wrong(path, `is nested more than ${MOST_DEPTH} levels deep`);
    if (schema === true) return "value";
    if (schema === false) throw wrong(path, "is false, which no value satisfies");
    if (!isObject(schema)) throw wrong(path, "must be a schema: an object, true or false");
    const keywords = Object.keys(schema).filter((key) => schema[key] !== undefined && !ANNOTATIONS.includes(key));
    if (keywords.length === 0) return "value";
    const special = ["$ref", "const", "enum", "anyOf", "oneOf"].find((key) => keywords.includes(key));
    if (special === undefined) return this.#typed(schema, keywords, path);
    const isOfType = special === "const" || special === "enum";
    const stray = keywords.find((key) => key !== special && !(isOfType && key === "type"));
    if (stray !== undefined) throw wrong([...path, stray], `is not supported beside ${special}`);
    return this.#special(special, schema, path);
  }

  #special(keyword: string, schema: SchemaObject, path: readonly string[]): string {
    const value = schema[keyword];
    if (keyword === "$ref") return this.#ref(value, [...path, keyword]);
    if (keyword === "const") return this.#constants([value], schema, path);
    if (!Array.isArray(value) || value.length === 0)
      throw wrong([...path, keyword], "must be a list of at least one entry");
    if (keyword === "enum") return this.#constants(value, schema, path);
    if (keyword === "oneOf" && !this.#areDistinct(value))
      throw wrong(
        [...path, keyword],
        "is supported for objects that differ in a required property with const: use anyOf",
      );
    return `(${value.map((one, i) => this.#rule(this.#of(one, [...path, keyword, `${i}`]))).join(" | ")})`;
  }

  #constants(values: readonly unknown[], schema: SchemaObject, path: readonly string[]): string {
    const fitting = ofType(values, schema.type, path);
    const nested = fitting.filter((value): value is object => typeof value === "object" && value !== null);
    const plain = fitting
      .filter((value) => typeof value !== "object" || value === null)
      .map((value) => JSON.stringify(value));
    const ways = [
      ...nested.map((value) => this.#rule(constant(value))),
      ...(plain.length > 0 ? [oneOfTexts(separable(plain), (expression) => this.#rule(expression))] : []),
    ];
    return `(${ways.join(" | ")})`;
  }

  /** Whether no value satisfies two of the schemas, by the constants of a property. */
  #areDistinct(schemas: readonly unknown[]): boolean {
    const constants = (schema: unknown): ReadonlyMap<string, string> => {
      const resolved = isObject(schema) && typeof schema.$ref === "string" ? this.#target(schema.$ref) : schema;
      if (!isObject(resolved) || !isObject(resolved.properties) || !Array.isArray(resolved.required)) return new Map();
      const { properties, required } = resolved;
      const needed = new Set(required);
      const fixed = Object.entries(properties).filter(
        ([key, one]) => needed.has(key) && isObject(one) && "const" in one,
      );
      return new Map(fixed.map(([key, one]) => [key, JSON.stringify((one as SchemaObject).const)]));
    };
    const all = schemas.map(constants);
    return [...(all[0]?.keys() ?? [])].some(
      (key) => all.every((one) => one.has(key)) && new Set(all.map((one) => one.get(key))).size === all.length,
    );
  }

  /** The rule of a schema that is referred to, which is written at the first reference. */
  #ref(ref: unknown, path: readonly string[]): string {
    if (typeof ref !== "string" || !/^#(\/|$)/.test(ref))
      throw wrong(path, 'must refer to a place in the schema, such as "#/$defs/name"');
    if (this.#open.includes(ref)) throw wrong(path, "refers to itself without a value in between");
    const known = this.#refs.get(ref);
    if (known !== undefined) return known;
    const target = this.#target(ref);
    if (target === undefined) throw wrong(path, `names ${ref}, which the schema does not have`);
    if (this.#refs.size >= MOST_REFS) throw wrong(path, `is one of more than ${MOST_REFS} references`);
    const name = `ref${this.#refs.size}`;
    this.#refs.set(ref, name);
    this.#add(`${name} ::= ${this.#within([...this.#open, ref], () => this.#of(target, keysOfPointer(ref)))}`);
    return name;
  }

  /** Writes a part with these references open. */
  #within(open: readonly string[], write: () => string): string {
    const before = this.#open;
    this.#open = open;
    const text = write();
    this.#open = before;
    return text;
  }

  #target(ref: string): unknown {
    return keysOfPointer(ref).reduce<unknown>(
      (at, key) => (Array.isArray(at) ? at[Number(key)] : isObject(at) ? own(at, key) : undefined),
      this.root,
    );
  }

  #typed(schema: SchemaObject, keywords: readonly string[], path: readonly string[]): string {
    const types = typesOf(schema, keywords, path);
    const allowed = new Set(["type", ...types.flatMap((type): readonly string[] => KEYWORDS[type])]);
    const stray = keywords.find((key) => !allowed.has(key));
    if (stray !== undefined) {
      const isKnown = Object.values<readonly string[]>(KEYWORDS).some((own) => own.includes(stray));
      throw wrong([...path, stray], isKnown ? `has no effect on type ${types.join(" or ")}` : "is not supported");
    }
    const ways = types.map((type) => this.#within([], () => this.#ofType(type, schema, path)));
    return ways.length === 1 ? ways[0]! : `(${ways.join(" | ")})`;
  }

  #ofType(type: TypeName, schema: SchemaObject, path: readonly string[]): string {
    switch (type) {
      case "object":
        return this.#object(schema, path);
      case "array":
        return this.#array(schema, path);
      case "string":
        return this.#strings.of(schema, path);
      case "integer":
        return integers(boundsOf(schema, true, path), (expression) => this.#rule(expression));
      case "number":
        return BOUNDS.some((key) => key in schema)
          ? numbers(boundsOf(schema, false, path), (expression) => this.#rule(expression))
          : "number";
      case "boolean":
        return '("true" | "false")';
      default:
        return '"null"';
    }
  }

  /** An object has its properties in the schema's order, and others only if the schema names none. */
  #object(schema: SchemaObject, path: readonly string[]): string {
    const { properties = {}, required = [], additionalProperties = true, propertyNames } = schema;
    if (!isObject(properties)) throw wrong([...path, "properties"], "must be an object");
    const needed = new Set(textsOf(required, [...path, "required"]));
    const missing = [...needed].find((key) => !Object.hasOwn(properties, key));
    if (missing !== undefined)
      throw wrong([...path, "required"], `names ${JSON.stringify(missing)}, which is not in properties`);
    const ofNames = isObject(propertyNames) ? propertyNames : { type: "string" };
    if (ofNames.type !== "string" || (Object.keys(properties).length > 0 && Object.keys(ofNames).length > 1))
      throw wrong([...path, "propertyNames"], "is supported with type string, in a schema without properties");
    const keys = separable(Object.keys(properties).map((key) => `${JSON.stringify(key)}:`));
    const members = Object.entries(properties).map(([key, own], i) => ({
      key: keys[i]!,
      value: this.#rule(`ws ${this.#of(own, [...path, "properties", key])}`),
      isNeeded: needed.has(key),
    }));
    if (members.length > 0) return membersOf(members, (rule) => this.#rule(rule), path);
    if (additionalProperties === false) return '"{" ws "}"';
    const name = this.#of(ofNames, [...path, "propertyNames"]);
    const other = this.#rule(`${name} ":" ws ${this.#of(additionalProperties, [...path, "additionalProperties"])}`);
    const rest = this.#rule((own) => `"," ws ${other} ${own} | ws "}"`);
    return `"{" ws ${this.#rule(`"}" | ${other} ${rest}`)}`;
  }

  /** Adds a rule, which may refer to itself. @returns its name */
  #rule(text: string | ((name: string) => string)): string {
    const name = `part${this.#rules.length}`;
    this.#add(`${name} ::= ${typeof text === "string" ? text : text(name)}`);
    return name;
  }

  #add(rule: string): void {
    this.#length += rule.length;
    if (this.#length > MOST_TEXT) throw wrong([], "has more values than a grammar can be written for: make it smaller");
    this.#rules.push(rule);
  }

  /** A list has all of its `prefixItems`, and others only if there are none, or `items` says which. */
  #array(schema: SchemaObject, path: readonly string[]): string {
    const isTuple = Array.isArray(schema.items); // as before draft 2020-12
    const prefix = isTuple ? schema.items : (schema.prefixItems ?? []);
    if (!Array.isArray(prefix)) throw wrong([...path, "prefixItems"], "must be a list of schemas");
    if (!isTuple && schema.additionalItems !== undefined)
      throw wrong([...path, "additionalItems"], "has no effect beside items");
    const [least, most] = [countOf(schema, "minItems", path) ?? 0, countOf(schema, "maxItems", path)];
    const further = isTuple ? schema.additionalItems : schema.items;
    const isOpen = further !== false && (prefix.length === 0 || further !== undefined || least > prefix.length);
    const more = isOpen ? Math.max(0, (most ?? Number.POSITIVE_INFINITY) - prefix.length) : 0;
    const fewest = Math.max(0, least - prefix.length);
    if ((most ?? prefix.length) < prefix.length || fewest > more)
      throw wrong(path, "has minItems, maxItems and items that no list satisfies");
    const first = prefix.map((one, i) => this.#of(one, [...path, isTuple ? "items" : "prefixItems", `${i}`]));
    const item = more > 0 ? this.#rule(this.#of(further ?? true, [...path, "items"])) : undefined;
    const head = first.map((one, at) => (at === 0 ? one : `"," ws ${one}`)).join(" ");
    const rest =
      item === undefined
        ? this.#rule(first.length === 0 ? '"]"' : 'ws "]"')
        : itemsOf(item, first.length === 0, [fewest, more], (rule) => this.#rule(rule));
    return `"[" ws ${head} ${rest}`;
  }
}
