/** What the studio knows of the files of rows: their indexes, guesses, and the works that make them. */
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { BidoraError } from "../../../base/index.js";
import { LEFTOVER_AGE_MS, sweepTemporary, temporaryPath, writeFileAtomic } from "../../../base/records/index.js";
import { counted } from "../../../studies/report/index.js";
import { fileState, prune } from "../kept.js";
import type { News } from "../news.js";
import type { Reporter, Works } from "../works.js";
import { Guesses, inFolder, type RunPlace, trainOn } from "./guess.js";
import { formatOf, namesFor, type RowsNames, saveUpload } from "./importing/uploads.js";
import { runJob } from "./jobs.js";
import { RowIndex } from "./rowIndex.js";
import type { Reading } from "./rowReader.js";

interface Entry {
  readonly key: string;
  index?: RowIndex;
  readonly ready: Promise<void>;
}

/** A file whose rows are asked about. */
export interface Asked {
  readonly name: string;
  readonly reading: Reading;
  /** Files of the run's other splits. */
  readonly others: readonly string[];
}

/** Indexes that are kept: a million rows take 30 MB. */
const MOST_INDEXES = 4;
/** Milliseconds that a page waits for the index of a small file. */
const PATIENCE = 200;

interface Importing {
  /** Whether the file goes if it can't be read; by default it does. */
  readonly isNew?: boolean;
  /** Whether the first line of a table names its columns; by default it does. */
  readonly hasHeader?: boolean;
}

/** A text that was pasted, as it was sent. */
interface Pasted {
  readonly source: string;
  readonly text: string;
  readonly name: string;
  readonly hasHeader: boolean;
}

/** What it needs of the studio. */
interface Place extends RunPlace {
  readonly works: Works;
  readonly news: News;
}

export class RowFiles {
  readonly guesses: Guesses;
  readonly #indexes = new Map<string, Entry>();
  /** The names that rows will have, by the works that read them. */
  readonly #imports = new Map<string, string>();

  #pasted: Pasted | undefined;

  constructor(private readonly studio: Place) {
    this.guesses = new Guesses(studio.folder);
  }

  /** The names of works that import files. */
  get imports(): readonly string[] {
    return [...this.#imports.keys()];
  }

  /** Receives a file. @returns the name that its rows will have @throws BidoraError; nothing is left then */
  async receive(request: Request, given: string, hasHeader: boolean): Promise<string> {
    this.#prepare();
    const names = namesFor(this.studio.folder, given);
    await saveUpload(request, this.studio.folder.at("rows", names.source));
    return this.#read(names, { hasHeader });
  }

  /** The same for a text that was pasted. */
  paste(text: string, name: string, hasHeader: boolean): string {
    this.#prepare();
    const names = namesFor(this.studio.folder, `${name}${formatOf(text)}`);
    writeFileAtomic(this.studio.folder.at("rows", names.source), text.replaceAll("\r\n", "\n"));
    const rows = this.#read(names, { hasHeader });
    this.#pasted = { source: names.source, text, name, hasHeader };
    return rows;
  }

  /** What was pasted last, if its rows could not be read: so that it can be mended and sent again. */
  get lostPaste(): Pasted | undefined {
    return this.#pasted && !this.studio.works.isRunning(importWork(this.#pasted.source)) ? this.#pasted : undefined;
  }

  /** Reads the rows of a file that is in the folder already, such as one whose import was cut off. */
  readAgain(source: string, hasHeader: boolean): string {
    const rows = this.studio.folder.freeName("rows", source.replace(/\.\w+$/, ""), ".jsonl");
    return this.#read({ source, rows }, { isNew: false, hasHeader });
  }

  /** Whether the rows of a file are being imported. */
  isComing(name: string): boolean {
    return [...this.#imports].some(([work, rows]) => rows === name && this.studio.works.isRunning(work));
  }

  #prepare(): void {
    // What a killed server has left.
    sweepTemporary(this.studio.folder.make("rows"), LEFTOVER_AGE_MS);
  }

  /** Starts to read the rows of a file; a new one that can't be read is removed. @returns the name that they will have */
  #read(names: RowsNames, how: Importing): string {
    const { works } = this.studio;
    const work = importWork(names.source);
    for (const earlier of this.#imports.keys()) if (works.get(earlier)?.state === "done") works.dismiss(earlier);
    this.#imports.set(work, names.rows);
    void works.start(work, `Rows of ${names.source}`, (reporter) =>
      this.#convert(names, how, reporter).finally(() => this.studio.news.changed("rows")),
    );
    return names.rows;
  }

  async #convert(
    { source, rows: name }: RowsNames,
    { isNew = true, hasHeader }: Importing,
    reporter: Reporter,
  ): Promise<string> {
    const path = this.studio.folder.at("rows", source);
    const target = name === source ? undefined : temporaryPath(this.studio.folder.at("rows", name));
    try {
      const { isWords, rows, notes } = await runJob({ kind: "convert", path, target, hasHeader }, reporter);
      if (target !== undefined && !isWords) await rename(target, this.studio.folder.at("rows", name));
      if (this.#pasted?.source === source) this.#pasted = undefined;
      const what = isWords ? "It has one word per line, and stays as it is." : `${counted(rows, "row")}.`;
      const said = await this.#used(isWords ? source : name);
      return [what, ...notes.map((note) => inFolder(this.studio.folder, note)), ...said].join(" ");
    } catch (error) {
      if (isNew) await rm(path, { force: true });
      if (error instanceof Error) error.message = inFolder(this.studio.folder, error.message);
      throw error;
    } finally {
      if (target !== undefined) await rm(target, { force: true });
    }
  }

  /** The first file of rows is trained on. @returns why it can't be */
  async #used(name: string): Promise<readonly string[]> {
    if (this.studio.runFile.read().train !== undefined) return [];
    try {
      await trainOn(this.studio, name);
      return [];
    } catch (error) {
      if (!(error instanceof BidoraError)) throw error;
      return [error.message];
    }
  }

  /** The index of a file, made again when the file, the others or the columns change; undefined while it is made, or if it can't be. */
  async index(asked: Asked): Promise<RowIndex | undefined> {
    const { folder } = this.studio;
    const states = [asked.name, ...asked.others].map((name) => fileState(folder.at("rows", name)));
    const key = JSON.stringify([asked, states]);
    const known = this.#indexes.get(asked.name);
    const entry = known?.key === key ? known : this.#started(asked, key);
    const { index } = entry;
    if (index) return index;
    await Promise.race([entry.ready, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    return entry.index;
  }

  /** Forgets an index that could not be made, so that it is tried again. */
  forget(name: string): void {
    if (this.#indexes.get(name)?.index === undefined) this.#indexes.delete(name);
  }

  #started(asked: Asked, key: string): Entry {
    const work = indexWork(asked.name);
    this.studio.works.stop(work);
    const previous = this.#indexes.get(asked.name)?.ready;
    const entry: Entry = { key, ready: this.#make(asked, previous, (index) => (entry.index = index)) };
    this.#indexes.delete(asked.name);
    this.#indexes.set(asked.name, entry);
    prune(this.#indexes, MOST_INDEXES);
    return entry;
  }

  async #make(
    { name, reading, others }: Asked,
    previous: Promise<void> | undefined,
    done: (index: RowIndex) => void,
  ): Promise<void> {
    await previous;
    const file = (of: string) => ({ path: this.studio.folder.at("rows", of), name: this.studio.folder.as("rows", of) });
    await this.studio.works.start(indexWork(name), `Looking at each row of ${name}`, async (reporter) => {
      const present = others.filter((other) => existsSync(this.studio.folder.at("rows", other)));
      done(
        new RowIndex(await runJob({ kind: "index", file: file(name), reading, others: present.map(file) }, reporter)),
      );
    });
    if (this.studio.works.get(indexWork(name))?.state === "done") this.studio.works.dismiss(indexWork(name));
  }
}

const importWork = (source: string): string => `import-${source}`;

/** The work that reads an index. */
export const indexWork = (name: string): string => `index-${name}`;
