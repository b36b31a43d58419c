/** Comparisons of the studio's folder: what they would cost, and those that run, each as a command of its own. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { BidoraError, yaml } from "../../../base/index.js";
import { holdFolder, writeFileAtomic, writerOf } from "../../../base/records/index.js";
import type { ExpectedCosts } from "../../../studies/comparison/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import type { Commands } from "../commands.js";
import { firstFree, type StudioFolder } from "../folder.js";
import { rowStates } from "../model/fileStates.js";
import type { Works } from "../works.js";
import { progressOf, shareOf } from "./progress.js";

/** Milliseconds between two looks at a comparison's folder. */
const INTERVAL = 2000;
const EXTENSION = ".yaml";

/** The work that estimates costs. */
export const ESTIMATE = "comparison-costs";
/** The work of a comparison. */
export const workOf = (name: string): string => `comparison-${name}`;

export class Comparisons {
  /** What comparisons would cost, by their files and pilots. */
  readonly #costs = new Map<string, ExpectedCosts>();

  constructor(
    private readonly folder: StudioFolder,
    private readonly commands: Commands,
    private readonly works: Works,
  ) {}

  /** Those with a file or a folder, those that changed last first. */
  get names(): string[] {
    const all = this.folder.names("comparisons").map((name) => name.replace(/\.yaml$/, ""));
    return [...new Set(all)].filter((name) => this.#hasFile(name) || progressOf(this.folderOf(name)).isPlanned);
  }

  /** Whether one runs in this studio. */
  get isRunning(): boolean {
    return this.names.some((name) => this.works.isRunning(workOf(name)));
  }

  folderOf(name: string): string {
    return this.folder.at("comparisons", name);
  }

  #fileOf(name: string): string {
    return this.folder.at("comparisons", name + EXTENSION);
  }

  #hasFile(name: string): boolean {
    return existsSync(this.#fileOf(name));
  }

  /** A name that no comparison has. */
  freeName(): string {
    return firstFree("methods", (name) => !progressOf(this.folderOf(name)).isPlanned);
  }

  /** The command line of a comparison. */
  wordsOf(name: string): string[] {
    const output = this.folder.as("comparisons", name);
    // A file that came otherwise may name another output.
    return ["compare", `${output}${EXTENSION}`, "--output", output];
  }

  estimateWordsOf(name: string, pilot: string | undefined): string[] {
    const more = pilot === undefined ? [] : ["--pilot", this.folder.as("comparisons", pilot)];
    return [...this.wordsOf(name), "--dry-run", ...more];
  }

  /** The costs of a comparison with this file, if they were estimated. */
  costs(text: string, pilot: string | undefined): ExpectedCosts | undefined {
    return this.#costs.get(this.#keyOf(text, pilot));
  }

  /** All that costs depend on: the file, the rows, and how far the pilot is. */
  #keyOf(text: string, pilot: string | undefined): string {
    const file = yaml().parse(text) as RunSettings;
    const done = pilot === undefined ? undefined : progressOf(this.folderOf(pilot)).done;
    return JSON.stringify([text, rowStates(this.folder.path, file), pilot, done]);
  }

  /** Estimates what a comparison costs and shows. @param text its file @throws BidoraError `STUDIO` while another estimate runs */
  estimate(name: string, text: string, pilot: string | undefined): void {
    this.#write(name, text);
    const words = this.estimateWordsOf(name, pilot);
    const key = this.#keyOf(text, pilot);
    void this.works.start(ESTIMATE, "What it costs", async ({ signal, report }) => {
      const values = await this.commands.run(words, signal, (message) => report({ message }));
      if (this.#keyOf(text, pilot) !== key)
        throw new BidoraError("STUDIO", "Rows or the earlier comparison changed meanwhile: estimate again.");
      this.#costs.set(key, values.at(-1) as ExpectedCosts);
    });
  }

  /** Starts a new comparison. @throws BidoraError `STUDIO` for a name that is taken */
  async start(name: string, text: string): Promise<void> {
    this.#write(name, text);
    await this.go(name);
  }

  /** @throws BidoraError `STUDIO` for the name of a comparison that was started */
  #write(name: string, text: string): void {
    if (progressOf(this.folderOf(name)).isPlanned || this.works.isRunning(workOf(name)))
      throw new BidoraError(
        "STUDIO",
        `There is a comparison ${name} already: take another name, such as ${this.freeName()}.`,
      );
    this.folder.make("comparisons");
    writeFileAtomic(this.#fileOf(name), text);
  }

  /** Starts a comparison that has a file, or goes on with it. @throws BidoraError `STUDIO`, `LOCKED` if another process writes it */
  async go(name: string): Promise<void> {
    if (!this.#hasFile(name))
      throw new BidoraError("STUDIO", `The file comparisons/${name}${EXTENSION} is not there any more.`);
    const folder = this.folderOf(name);
    if (writerOf(folder) && !this.works.isRunning(workOf(name))) await holdFolder(folder, async () => {});
    void this.works.start(workOf(name), `Comparison ${name}`, async ({ signal, report }) => {
      const look = setInterval(() => report({ share: shareOf(folder) }), INTERVAL);
      try {
        await this.commands.run(this.wordsOf(name), signal, (message) => report({ message, share: shareOf(folder) }));
      } finally {
        clearInterval(look);
      }
    });
  }

  /** Removes the file of a comparison that was not started. */
  forget(name: string): void {
    if (progressOf(this.folderOf(name)).isPlanned)
      throw new BidoraError("STUDIO", `${name} has runs: remove its folder yourself if you mean it.`);
    rmSync(this.#fileOf(name), { force: true });
  }

  /** The text of a comparison's file; undefined without one. */
  textOf(name: string): string | undefined {
    return this.#hasFile(name) ? readFileSync(this.#fileOf(name), "utf8") : undefined;
  }
}
