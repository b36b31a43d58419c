// Writes what the registries say about tasks and named data sets: the sections of docs/datasets.md, from the docstrings in src/tasks/datasets, and
// the table of tasks in docs/fine-tuning.md; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { namedDatasets } from "../../build/js/tasks/datasets/index.js";
import { TASKS } from "../../build/js/tasks/index.js";

const root = new URL("../../", import.meta.url);
/** @param {string} path */
const read = (path) => readFileSync(new URL(path, root), "utf8");
/** @param {readonly string[]} words */
const code = (words) => words.map((word) => `\`${word}\``).join(", ");
/** @param {readonly (readonly string[])[]} rows the first is the header */
const table = ([head, ...rows]) =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** @typedef {typeof namedDatasets[keyof typeof namedDatasets]} Facts */
/** Each file of the registry, in its order: the data sets that it declares, and its docstring. */
const groups = [...read("src/tasks/datasets/namedDatasets.ts").matchAll(/^ {2}\.\.\.(\w+),$/gm)].map(([, file]) => {
  const source = read(`src/tasks/datasets/${file}.ts`);
  const [, comment] = new RegExp(`/\\*\\*\\n((?: \\*.*\\n)+?) \\*/\\nexport const ${file} = `).exec(source) ?? [];
  if (comment === undefined)
    throw new Error(`src/tasks/datasets/${file}.ts has no docstring before "export const ${file}".`);
  const declaration = source.slice(
    source.indexOf(`export const ${file} = `),
    source.indexOf("satisfies NamedDatasets"),
  );
  const names = [...declaration.matchAll(/^ {2}"?([\w/-]+)"?: /gm)].map(([, name]) => name);
  return { names, text: comment.replace(/^ \* ?/gm, "").trimEnd() };
});

const known = Object.keys(namedDatasets);
if (groups.flatMap(({ names }) => names).join() !== known.join())
  throw new Error(
    `The files of src/tasks/datasets declare other data sets than the registry has (${known.join(", ")}).`,
  );

/** @param {Facts} facts the names of the values that `metrics.json` has, the main one first */
function metricsOf({ task, labelNames, metrics, texts }) {
  const { metric } = TASKS[task].scorer({ labels: labelNames, metrics });
  return code(Object.keys(metric.values)) + (texts ? ", and those of generated text" : "");
}

/** Data sets that differ in their names alone share a row. */
function datasetsDoc() {
  const rows = new Map();
  for (const [name, set] of Object.entries(namedDatasets)) {
    const facts = [`\`${set.task}\``, code(set.labeled), metricsOf(set), set.files];
    const names = rows.get(facts.join())?.[0];
    rows.set(facts.join(), [names ? `${names}, \`${name}\`` : `\`${name}\``, ...facts]);
  }
  const sections = groups.map(({ names, text }) => {
    const [first] = names;
    const title = names.length > 3 ? `\`${first.split("/")[0]}/…\`` : code(names);
    return `## ${title}\n\n${text}`;
  });
  return [table([["`--task`", "task", "splits with labels", "metrics", "files"], ...rows.values()]), ...sections].join(
    "\n\n",
  );
}

function taskTable() {
  const tasks = Object.entries(TASKS).map(([kind, { rows }]) => [`\`${kind}\``, rows]);
  return table([["`--task`", "rows"], ...tasks]);
}

/** @param {string} path @param {string} mark @param {string} text */
function update(path, mark, text) {
  const place = new RegExp(`(<!-- generated: ${mark} -->\\n)[\\s\\S]*?(<!-- end of generated -->)`);
  const before = read(path);
  if (!place.test(before)) throw new Error(`${path} has no place marked <!-- generated: ${mark} -->.`);
  const after = before.replace(place, (_, begin, end) => `${begin}\n${text}\n\n${end}`);
  if (!process.argv.includes("--check")) writeFileSync(new URL(path, root), after);
  else if (before !== after) {
    console.error(`The part "${mark}" of ${path} is out of date; run: npm run generate`);
    process.exitCode = 1;
  }
}

update("docs/datasets.md", "datasets", datasetsDoc());
update("docs/fine-tuning.md", "tasks", taskTable());
