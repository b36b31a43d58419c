// Writes src/torch/generated/ from libtorch's own schemas and the list in src/torch/operatorNames.ts.
// `--check` only checks that the files are up to date (exit status 1 if not).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const root = new URL("../../", import.meta.url);
const load = (name) => createRequire(import.meta.url)(new URL(`build/native-system/${name}.node`, root).pathname);
load("prelude");
const native = load("bidora");

const camelCase = (name) => name.replace(/(?<=[a-z0-9])_([a-z0-9])/gi, (_, letter) => letter.toUpperCase());

/** @returns {{name: string, alias: string, isRead: boolean}[]} */
function readList() {
  const text = readFileSync(new URL("src/torch/operatorNames.ts", root), "utf8");
  return Array.from(text.matchAll(/^ {2}"(.*)",/gm), ([, line]) => {
    const [name, alias] = line.replace(READ, "").split(" as ");
    return { name, alias: alias ?? camelCase(name.split("::")[1].split(".")[0]), isRead: READ.test(line) };
  });
}

/** Marks an operator whose recorded calls a tangent rule reads. */
const READ = / \(read\)$/;

const SCALARS = {
  Tensor: "Tensor",
  int: "number",
  SymInt: "number",
  float: "number",
  bool: "boolean",
  str: "string",
  Scalar: "Scalar",
  ScalarType: "DType",
  Device: "string",
  MemoryFormat: "string",
  Generator: "Generator",
};

function argumentType(type) {
  if (type.endsWith("?")) return `${argumentType(type.slice(0, -1))} | null`;
  const list = type.match(/^(.*)\[\d*\]$/);
  if (list) return `readonly ${list[1].endsWith("?") ? `(${argumentType(list[1])})` : argumentType(list[1])}[]`;
  const scalar = SCALARS[type];
  if (!scalar) throw new Error(`No TypeScript type is known for ${type}.`);
  return scalar;
}

// Reads the handle out of what is an object in TypeScript.
function passed(expression, type) {
  const base = type.replace(/[?]$/, "");
  const optional = type.endsWith("?");
  if (base === "Tensor" || base === "Generator") return optional ? `${expression}?.handle` : `${expression}.handle`;
  if (/^Tensor\??\[\]$/.test(base)) {
    const map = base.includes("?") ? "optionalHandles" : "handles";
    return optional ? `${expression} && ${map}(${expression})` : `${map}(${expression})`;
  }
  return expression;
}

function returned(call, returns, writtenArguments) {
  if (returns.length === 0) return { type: "void", body: `${call};` };
  if (returns.every((result) => result.written)) {
    const first = writtenArguments[0];
    return {
      type: returns.length === 1 ? "Tensor" : "void",
      body: returns.length === 1 ? `${call};\n  return ${first};` : `${call};`,
    };
  }
  const types = returns.map((result) => result.type);
  if (types.length > 1) {
    const results = types.map((type) => argumentType(type));
    if (!results.every((type) => type === "Tensor" || type === "number"))
      throw new Error(`Returns ${types} are not generated.`);
    const type = `[${results.join(", ")}]`;
    if (!results.includes("number")) return { type, body: `return tensors(${call}) as ${type};` };
    const values = results.map((one, i) =>
      one === "Tensor" ? `new Tensor(found[${i}] as Handle)` : `found[${i}] as number`,
    );
    return { type, body: `const found = ${call} as number[];\n  return [${values.join(", ")}];` };
  }
  if (types[0] === "Tensor") return { type: "Tensor", body: `return new Tensor(${call} as Handle);` };
  if (types[0] === "Tensor[]") return { type: "Tensor[]", body: `return tensors(${call});` };
  if (types[0] === "bool") return { type: "boolean", body: `return ${call} as boolean;` };
  return { type: "number", body: `return ${call} as number;` };
}

const RESERVED = new Set(["function", "default", "in", "out", "self", "this", "var", "with", "new", "delete"]);
const safe = (name) => (name !== "self" && RESERVED.has(name) ? `${name}_` : camelCase(name));

function signature(schema) {
  const positional = schema.arguments.filter((argument) => !argument.keywordOnly || argument.written);
  const keyword = schema.arguments.filter((argument) => argument.keywordOnly && !argument.written);
  const parameters = positional.map((argument, index) => {
    const rest = positional.slice(index);
    const optional = rest.every((other) => other.hasDefault);
    const type = argumentType(argument.type) + (argument.hasDefault && !optional ? " | undefined" : "");
    return `${safe(argument.name)}${optional ? "?" : ""}: ${type}`;
  });
  const usable = keyword.filter((argument) => !/^Layout/.test(argument.type));
  if (usable.length) {
    const required = usable.some((argument) => !argument.hasDefault);
    const fields = usable.map(
      (argument) => `${camelCase(argument.name)}${argument.hasDefault ? "?" : ""}: ${argumentType(argument.type)}`,
    );
    parameters.push(`options${required ? "" : "?"}: { ${fields.join("; ")} }`);
  }
  const optionsRequired = usable.some((argument) => !argument.hasDefault);
  const values = schema.arguments.map((argument) => {
    if (!argument.keywordOnly || argument.written) {
      const nullable = argument.hasDefault && argument.type.startsWith("Tensor") && !argument.type.endsWith("?");
      return nullable ? `${safe(argument.name)}?.handle` : passed(safe(argument.name), optionalType(argument));
    }
    if (!usable.includes(argument)) return "undefined";
    const access = `options${optionsRequired ? "." : "?."}${camelCase(argument.name)}`;
    return passed(access, optionalType(argument));
  });
  return { parameters: parameters.join(", "), values };
}

const optionalType = (argument) =>
  argument.hasDefault && !argument.type.endsWith("?") ? `${argument.type}?` : argument.type;

function generateFunction({ name, alias }, index) {
  const schema = native.operatorSchema(name);
  const { parameters, values } = signature(schema);
  const written = schema.arguments.filter((argument) => argument.written).map((argument) => safe(argument.name));
  const call = `native.call(${[index, ...values].join(", ")})`;
  const { type, body } = returned(call, schema.returns, written);
  return `/** \`${schema.text}\` */\nexport function ${alias}(${parameters}): ${type} {\n  ${body}\n}\n`;
}

function readUniqueList() {
  const list = readList();
  const seen = new Set();
  for (const { alias } of list) {
    if (seen.has(alias)) throw new Error(`Two operators are called ${alias}: name one with "as".`);
    seen.add(alias);
  }
  return list;
}

const HEADER =
  "// Generated by scripts/generate/operators.js from libtorch's schemas and src/torch/operatorNames.ts. Do not edit.";

const OPTIONAL_HANDLES =
  "const optionalHandles = (list: readonly (Tensor | null)[]): (Handle | null)[] => list.map((tensor) => tensor?.handle ?? null);\n";

function generateFunctions(list) {
  const functions = list.map(generateFunction).join("\n");
  const optional = functions.includes("optionalHandles(") ? OPTIONAL_HANDLES : "";
  return `${HEADER}
import type { DType } from "../dtype.js";
import type { Handle } from "../native/interface.js";
import { native } from "../native/native.js";
import type { Generator } from "../random.js";
import { Tensor } from "../tensor.js";

/** A number among an operator's arguments. */
export type Scalar = number | bigint | boolean;

const handles = (list: readonly Tensor[]): Handle[] => list.map((tensor) => tensor.handle);
${optional}const tensors = (results: unknown): Tensor[] => (results as Handle[]).map((handle) => new Tensor(handle));

${functions}`;
}

/** The expression that reads one argument of a recorded call. */
function readArgument({ type }, index) {
  const given = `given[${index}]`;
  const base = type.replace(/[?]$/, "");
  const isOptional = type.endsWith("?");
  if (base === "Tensor") return isOptional ? `optionalTensor(${given})` : `tensor(${given})`;
  if (/\[\d*\]$/.test(base)) throw new Error(`Reading ${type} of a recorded call is not generated.`);
  return `${given} as ${argumentType(base)}${isOptional ? " | null" : ""}`;
}

function readResults(returns) {
  if (returns.length === 1) return "result: results[0] as TensorId";
  const named = returns.map(({ name }, index) => {
    if (!name) throw new Error("Several results without names are not generated.");
    return `${camelCase(name)}: results[${index}] as TensorId`;
  });
  return `results: { ${named.join(", ")} }`;
}

function generateReader({ name, alias }) {
  const schema = native.operatorSchema(name);
  const fields = schema.arguments.map(
    (argument, index) => `${camelCase(argument.name)}: ${readArgument(argument, index)}`,
  );
  return `/** \`${schema.text}\` */
export const ${alias}Call = ({ arguments: given, results }: TapeCall) => ({
${[...fields, readResults(schema.returns)].map((field) => `  ${field},`).join("\n")}
});
`;
}

const generateReaders = (list) => `${HEADER}
// What a recorded call was given, by the names in the operator's schema.
import type { TapeArgument, TensorId } from "../native/interface.js";
import { isTensor, type TapeCall } from "../tape.js";
import type { Scalar } from "./operators.js";

function tensor(argument: TapeArgument | undefined): TensorId {
  if (isTensor(argument)) return argument.place;
  throw new TypeError("A recorded call has no tensor where its schema has one.");
}

const optionalTensor = (argument: TapeArgument | undefined): TensorId | undefined =>
  isTensor(argument) ? argument.place : undefined;

${list
  .filter(({ isRead }) => isRead)
  .map(generateReader)
  .join("\n")}`;

const list = readUniqueList();
const files = {
  "recordedCalls.ts": generateReaders(list),
  "operators.ts": generateFunctions(list),
};
for (const [name, text] of Object.entries(files)) {
  const path = `src/torch/generated/${name}`;
  const target = new URL(path, root);
  if (!process.argv.includes("--check")) writeFileSync(target, text);
  else if (!existsSync(target) || readFileSync(target, "utf8") !== text) {
    console.error(`${path} is out of date: run \`npm run generate\`.`);
    process.exitCode = 1;
  }
}
