/** Rows to learn from: what they are, and which of them are wrong. */
import { existsSync } from "node:fs";
import type { Hono } from "hono";
import { BidoraError } from "../../../base/index.js";
import { flagsOf } from "../../../studies/comparison/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { changeColumns, columnsPart, reasonsPart } from "../data/columnsPart.js";
import { addressOf, type Current, currentOf, filesOf, indexedOf, partOf, ROWS, rowsNameOf } from "../data/current.js";
import { editPart, saveRow } from "../data/editPart.js";
import { commandOfRows, trainOn } from "../data/guess.js";
import { filesPart, importPart, readPart, usePart } from "../data/importing/importPart.js";
import { newestOf } from "../data/mended.js";
import { indexWork } from "../data/rowFiles.js";
import { filterFrom, type RowIndex } from "../data/rowIndex.js";
import { rowsPart, tableRows } from "../data/rowsPart.js";
import { split, splitPart } from "../data/splitPart.js";
import { PARTS } from "../data/splitRows.js";
import { button, workPart } from "../page.js";
import type { Asked, Form, Rendered, Screen } from "../screen.js";
import type { Studio } from "../workspace.js";

export const data: Screen = {
  path: "/data",
  title: "Data",
  about: "Rows to learn from: what they are, and which of them are wrong.",
  topics: ["rows", "run"],
  render,
  actions: {
    paste({ rows }, form) {
      form.required("pasted", "some rows");
      // Cells at either end may be empty.
      return addressOf(rows.paste(form.text("pasted"), form.optional("name") ?? "pasted", !form.has("rowsFirst")));
    },
    use,
    columns: changeColumns,
    split,
    row: saveRow,
    again(studio, form) {
      studio.rows.forget(form.required("file", "a file"));
    },
    convert: ({ rows }, form) => addressOf(rows.readAgain(form.required("file", "a file"), !form.has("rowsFirst"))),
  },
  addRoutes,
};

async function render(studio: Studio, asked: Asked): Promise<Rendered> {
  const { query, form } = asked;
  const row = query.get("row");
  const given = query.get("file") ?? undefined;
  const current = await askedFile(studio, given && row !== null ? newestOf(studio.folder, given) : given);
  if (!current)
    return { content: [importPart(studio, form), filesPart(studio, undefined)], commands: await commands(studio) };
  const { index, name, run } = current;
  const indexed = index && { ...current, index };
  const train = PARTS.find((part) => part === "train" && partOf(studio.folder, run, name));
  if (indexed && row !== null) {
    const filter = filterFrom(query.get("filter"));
    const shown = {
      path: studio.folder.at("rows", name),
      asked: given ?? name,
      line: Number(row),
      filter,
      refused: form,
    };
    return { content: [await editPart(indexed, shown)], commands: await commands(studio) };
  }
  return {
    content: [
      importPart(studio, form),
      filesPart(studio, name),
      train ? columnsPart(current) : guessPart(current),
      usePart(name, current.part, run.train !== undefined),
      indexed
        ? await rowsPart(indexed, studio.folder.at("rows", name), filterFrom(query.get("filter")))
        : waiting(studio, current),
      indexed && splitPart(studio, indexed, form?.has("seed") ? form : undefined),
    ],
    commands: await commands(studio),
  };
}

/** The file that is asked for; one of words in place of the rows that it would have become; undefined while they come. */
async function askedFile(studio: Studio, given: string | undefined): Promise<Current | undefined> {
  if (given === undefined) return currentOf(studio, undefined);
  if (studio.rows.isComing(given)) return undefined;
  if (existsSync(studio.folder.at("rows", given))) return currentOf(studio, given);
  const source = filesOf(studio).find((name) => rowsNameOf(name) === given);
  return source === undefined ? undefined : currentOf(studio, source);
}

const guessPart = ({ name, guess }: Current): Markup =>
  html`<section id="columns" aria-labelledby="columns-title"><h2 id="columns-title">${name}</h2>${reasonsPart(name, { ...guess, reasons: guess.reasons.filter(isOfRows) }, true)}</section>`;

/** Whether a reason is about the file itself, and not about the parts of a run that would train on it. */
const isOfRows = (reason: string): boolean =>
  !/^The (validation|test) rows are|^No file of validation rows/.test(reason);

/** In place of the table: how far it is, or why there is none. */
function waiting({ works }: Studio, { name, guess }: Current): Markup {
  if (name.endsWith(ROWS)) {
    const work = works.get(indexWork(name));
    const again =
      work?.state === "running" ? undefined : button("/data/again", "Look at each row", { file: name }, "again");
    return html`<section id="rows" aria-labelledby="rows-title"><h2 id="rows-title">Rows</h2>${workPart(indexWork(name), work)}${again}</section>`;
  }
  const isWords = guess.settings.task === "token-classification";
  return html`<section id="rows" aria-labelledby="rows-title"><h2 id="rows-title">Rows</h2>${
    isWords
      ? html`<p class="note">The file has one word per line, with its label. It is trained on as it is; the table, the filters and the split are for rows of tables.</p>`
      : html`<p class="note">The rows of this file have not been read yet.</p>${readPart(name)}`
  }</section>`;
}

/** The command line that makes the run file from the training rows. */
async function commands(studio: Studio): Promise<readonly (readonly string[])[]> {
  const run = studio.runFile.read();
  const name = studio.folder.names("rows").find((file) => partOf(studio.folder, run, file) === "train");
  return name === undefined ? [] : [await commandOfRows(studio.rows.guesses, name, run, flagsOf)];
}

/** Uses a file for a part of the run. */
async function use(studio: Studio, form: Form): Promise<string> {
  const name = form.required("file", "a file");
  const part = PARTS.find((one) => one === form.text("part"));
  if (part === undefined)
    throw new BidoraError("STUDIO", "Say for what the file is to be used: train, validation or test.");
  const run = studio.runFile.read();
  const before = partOf(studio.folder, run, name);
  const { validation, test, holdoutFraction } = run;
  if (part === "train") await trainOn(studio, name, before === "train" ? { validation, test, holdoutFraction } : {});
  else
    studio.runFile.change({
      ...(before !== undefined && before !== "train" && { [before]: undefined }),
      ...(part === "validation" && { holdoutFraction: undefined }),
      [part]: studio.folder.as("rows", name),
    });
  return addressOf(name);
}

function addRoutes(app: Hono, studio: Studio): void {
  app.post("/data/upload", async (c) => {
    try {
      const hasHeader = c.req.query("rowsFirst") === undefined;
      const name = await studio.rows.receive(c.req.raw, c.req.query("name") ?? "", hasHeader);
      return c.redirect(addressOf(name), 303);
    } catch (error) {
      if (error instanceof BidoraError) return c.text(error.message, 400);
      throw error;
    }
  });
  app.get("/data/rows", async (c) => {
    const name = c.req.query("file") ?? "";
    const current: Current & { index: RowIndex } = await indexedOf(studio, name);
    const [from, to] = [Number(c.req.query("from")) || 0, Number(c.req.query("to")) || 0];
    const filter = filterFrom(c.req.query("filter") ?? null);
    const rows = await tableRows(current, studio.folder.at("rows", name), filter, from, to);
    return c.html(rows.source);
  });
}
