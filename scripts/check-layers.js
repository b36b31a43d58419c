// The import rule of src: ten rooms, one above the other.
// - An import points to the same room or to a lower one. Another room is reached by an index.ts, of the room or of a folder in it.
// - Within a room, a folder imports only from the folders that stand before it in ROOMS.
// - An index.ts that other rooms import exports what they use, and nothing else.
// - Files import each other in no cycle, types included. Packages import neither each other nor src by path.
// Prints the rooms with their surfaces, and each break of the rule; exit status 1 if there is one.
// Usage: node scripts/check-layers.js [FOLDER]   (src by default)
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** The rooms, lowest first, each with its folders, lowest first; "." is the room's own files, folders that are missing stand with "." */
const ROOMS = {
  base: [["."], ["records", "settings"]],
  torch: [["."], ["operators"], ["optim", "tangents"]],
  text: [["."]],
  formats: [["."]],
  models: [["nn"], [".", "adapters"], ["generation"]],
  tasks: [["metrics", "retrieval"], ["data"], ["."], ["datasets"], ["config"]],
  use: [["evaluation"], ["inference"], ["export", "server"]],
  training: [["."], ["run"], ["estimates"]],
  studies: [["statistics"], ["tables"], ["report"], ["dashboard"], ["analysis", "comparison"]],
  app: [["quickstart", "setup", "launcher"], ["commands"], ["init"], ["studio"], ["cli"]],
  "index.ts": [["."]],
};

const NAMES = Object.keys(ROOMS);

/** @typedef {{ from: string, to: string, line: number, text: string, names: readonly string[] | undefined }} Import */

/** The room of a file, or the file itself if it is directly in src. @param {string} file path within src */
const roomOf = (file) => file.split("/")[0] ?? "";

/** The floor of a file within its room. @param {string} file path within src */
function floorOf(file) {
  const [room = "", folder = "", deeper] = file.split("/");
  const floors = /** @type {Record<string, string[][]>} */ (ROOMS)[room] ?? [];
  const named = deeper === undefined ? -1 : floors.findIndex((folders) => folders.includes(folder));
  return named >= 0 ? named : floors.findIndex((folders) => folders.includes("."));
}

/**
 * What a statement or a dynamic import takes from a module; undefined: all of it.
 * @param {ts.Node} node
 * @returns {readonly string[] | undefined}
 */
function namesTaken(node) {
  if (ts.isImportDeclaration(node)) {
    const bindings = node.importClause?.namedBindings;
    return bindings && ts.isNamedImports(bindings) ? namesOf(bindings.elements) : undefined;
  }
  if (ts.isExportDeclaration(node))
    return node.exportClause && ts.isNamedExports(node.exportClause) ? namesOf(node.exportClause.elements) : undefined;
  if (ts.isImportTypeNode(node)) return node.qualifier ? [node.qualifier.getText().split(".")[0] ?? ""] : undefined;
  let user = node.parent;
  while (ts.isAwaitExpression(user) || ts.isParenthesizedExpression(user)) user = user.parent;
  if (ts.isPropertyAccessExpression(user)) return [user.name.text];
  if (ts.isVariableDeclaration(user) && ts.isObjectBindingPattern(user.name)) return namesOf(user.name.elements);
  return undefined;
}

/** @param {ts.NodeArray<ts.ImportSpecifier | ts.ExportSpecifier | ts.BindingElement>} elements */
const namesOf = (elements) => elements.map((element) => (element.propertyName ?? element.name).getText());

/** The module that a node imports, if it imports one. @param {ts.Node} node */
function moduleOf(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return node.arguments[0];
  return undefined;
}

/**
 * The relative imports of one file.
 * @param {string} file path within src
 * @param {string} source
 * @returns {Import[]}
 */
function importsOf(file, source) {
  const parsed = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  /** @type {Import[]} */
  const found = [];
  /** @param {ts.Node} node */
  const visit = (node) => {
    const module = moduleOf(node);
    if (module && ts.isStringLiteralLike(module) && module.text.startsWith("."))
      found.push({
        from: file,
        to: posix.join(posix.dirname(file), module.text).replace(/\.js$/, ".ts"),
        line: parsed.getLineAndCharacterOfPosition(module.getStart()).line + 1,
        text: node.getText().replace(/\s+/g, " "),
        names: namesTaken(node),
      });
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return found;
}

/**
 * What is wrong with an import, or undefined when it keeps the rule.
 * @param {Import} found
 */
function violationOf({ from, to }) {
  const [room, other] = [roomOf(from), roomOf(to)];
  if (to.startsWith("..")) return "leaves src";
  if (!NAMES.includes(room)) return undefined;
  if (room !== other) {
    if (NAMES.indexOf(other) > NAMES.indexOf(room) || !NAMES.includes(other)) return `${room} may not import ${other}`;
    return posix.basename(to) === "index.ts" ? undefined : `${to} is not an index.ts`;
  }
  const folder = (/** @type {string} */ file) => posix.dirname(file).split("/").slice(0, 2).join("/");
  if (folder(from) === folder(to) || floorOf(to) < floorOf(from)) return undefined;
  const floors = /** @type {Record<string, string[][]>} */ (ROOMS)[room] ?? [];
  const isNamed = (/** @type {string} */ file) => floors.flat().includes(file.split("/")[1] ?? "");
  if (floorOf(to) === floorOf(from) && !isNamed(from) && !isNamed(to)) return undefined;
  return `${folder(from)} may not import ${folder(to)}`;
}

/**
 * The first cycle among the files, imports of types included, as a path that ends where it begins, or undefined.
 * @param {readonly Import[]} imports
 */
function findCycle(imports) {
  /** @type {Map<string, string[]>} */
  const next = new Map();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set();
  /** @type {(file: string, path: readonly string[]) => string[] | undefined} */
  const visit = (file, path) => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const target of next.get(file) ?? []) {
      const cycle = visit(target, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}

/**
 * The relative imports of a folder's TypeScript files, and the files.
 * @param {string} root
 */
function read(root) {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return { files, imports: files.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8"))) };
}

/**
 * The surfaces of the rooms: each index.ts that another room imports, with the names that it exports and those that are used.
 * @param {string} root
 * @param {readonly Import[]} imports
 */
function surfaces(root, imports) {
  const isCrossing = (/** @type {Import} */ { from, to }) => roomOf(from) !== roomOf(to) && NAMES.includes(roomOf(to));
  const indexes = [...new Set(imports.filter(isCrossing).map(({ to }) => to))].filter(
    (file) => posix.basename(file) === "index.ts" && existsSync(join(root, file)),
  );
  return indexes.sort(byRoom).map((index) => {
    const users = imports.filter(({ from, to }) => to === index && roomOf(from) !== roomOf(index));
    const used = new Set(users.flatMap(({ names }) => names ?? []));
    const exported = exportedNames(join(root, index));
    const byNamespace = imports.some(
      ({ from, to, names }) => to === index && names === undefined && posix.basename(from) === "index.ts",
    );
    return { index, exported, unused: byNamespace ? [] : exported.filter((name) => !used.has(name)) };
  });
}

/** @type {(a: string, b: string) => number} */
const byRoom = (a, b) => NAMES.indexOf(roomOf(a)) - NAMES.indexOf(roomOf(b)) || (a < b ? -1 : 1);

/** The names that an index.ts exports, without those of `export *`. @param {string} path */
function exportedNames(path) {
  const parsed = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
  return parsed.statements
    .flatMap((statement) => {
      if (ts.isExportDeclaration(statement) && statement.exportClause)
        return ts.isNamedExports(statement.exportClause)
          ? statement.exportClause.elements.map(({ name }) => name.getText())
          : [];
      if (
        ts.canHaveModifiers(statement) &&
        statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
      )
        return ts.isVariableStatement(statement)
          ? statement.declarationList.declarations.map(({ name }) => name.getText())
          : [/** @type {ts.FunctionDeclaration} */ (statement).name?.getText() ?? ""];
      return [];
    })
    .sort();
}

/** Imports by which a workspace's sources leave its folder. */
function strayImports() {
  const packages = fileURLToPath(new URL("../packages/", import.meta.url));
  const withSources = readdirSync(packages).filter((name) => existsSync(join(packages, name, "src")));
  return withSources.flatMap((name) =>
    read(join(packages, name, "src"))
      .imports.filter(({ to }) => to.startsWith(".."))
      .map(({ from, line, text }) => `packages/${name}/src/${from}:${line}: leaves the package: ${text}`),
  );
}

/**
 * The rooms with their surfaces, and the breaks of the rule, as lines.
 * @param {string} root the folder of the rooms
 */
export function checkRooms(root) {
  const { files, imports } = read(root);
  const found = surfaces(root, imports);
  const cycle = findCycle(imports);
  const broken = [
    ...files
      .filter((file) => !NAMES.includes(roomOf(file)))
      .map((file) => `src/${file}: ${roomOf(file)} is no room: see ROOMS in scripts/check-layers.js`),
    ...imports.flatMap((one) => {
      const why = violationOf(one);
      return why ? [`src/${one.from}:${one.line}: ${why}: ${one.text}`] : [];
    }),
    ...found
      .filter(({ unused }) => unused.length > 0)
      .map(({ index, unused }) => `src/${index}: no other room uses ${unused.join(", ")}`),
    ...(cycle ? [`Import cycle: ${cycle.join(" -> ")}`] : []),
  ];
  const rooms = NAMES.slice(0, -1).flatMap((room) => {
    const own = found.filter(({ index }) => roomOf(index) === room);
    const names = own.reduce((sum, { exported }) => sum + exported.length, 0);
    const count = files.filter((file) => roomOf(file) === room).length;
    return [
      `${room}: ${count} files, ${names} names for other rooms`,
      ...own.map(({ index, exported }) => `  ${index} (${exported.length}): ${exported.join(" ")}`),
    ];
  });
  return { rooms, broken };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { rooms, broken } = checkRooms(process.argv[2] ?? fileURLToPath(new URL("../src/", import.meta.url)));
  console.log(rooms.join("\n"));
  const all = [...broken, ...(process.argv[2] === undefined ? strayImports() : [])];
  for (const line of all) console.error(line);
  process.exitCode = all.length > 0 ? 1 : 0;
}
