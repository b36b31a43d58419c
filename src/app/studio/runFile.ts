/** `run.yaml`: the settings of the next run, which the screens change and every command reads. */
import { existsSync, readFileSync } from "node:fs";
import { BidoraError, given, UsageError, yaml } from "../../base/index.js";
import { writeFileAtomic } from "../../base/records/index.js";
import { checkSettings, flagOf } from "../../base/settings/index.js";
import {
  type RunConfig,
  type RunKey,
  type RunSettings,
  readRunFile,
  runOptions,
  settle,
  unusedSettings,
} from "../../tasks/config/index.js";
import type { StudioFolder } from "./folder.js";

/** Settings as a form gives them: undefined takes a setting out of the file. */
export type Changes = { readonly [K in RunKey]?: RunSettings[K] | undefined };

/**
 * The run of a file with every value. Its model may be chosen later: what goes with each other does not depend on it.
 * @throws UsageError as the run itself
 */
export const settledRun = (file: RunSettings): RunConfig =>
  settle({ flags: {}, file: { ...file, model: file.model ?? "to be chosen" } });

export class RunFile {
  constructor(
    private readonly folder: StudioFolder,
    private readonly onChange: () => void,
  ) {}

  get exists(): boolean {
    return existsSync(this.folder.runFile);
  }

  /** @returns none if there is no file yet @throws BidoraError, UsageError for a file that commands refuse too */
  read(): RunSettings {
    return this.exists ? readRunFile(this.folder.runFile) : {};
  }

  /** With the values that follow and the defaults; undefined as long as no model is chosen. @throws as `read`, and as the run itself */
  settled(): RunConfig | undefined {
    const file = this.read();
    return file.model === undefined && file.adapter === undefined ? undefined : settle({ flags: {}, file });
  }

  /**
   * Changes settings. Those that then have no effect leave the file.
   * @returns the names of the settings that left it
   * @throws BidoraError, UsageError for a value that the run would refuse, and a changed setting without effect; nothing is written then
   */
  change(changes: Changes): readonly string[] {
    const asked: RunSettings = given({ ...this.read(), ...changes });
    checkSettings(runOptions, asked);
    const unused = unusedSettings(settledRun(asked)).filter((key) => Object.hasOwn(asked, key));
    const wanted = unused.filter((key) => changes[key as RunKey] !== undefined);
    if (wanted.length > 0) throw new UsageError(`No effect with the other settings: ${wanted.map(flagOf).join(", ")}.`);
    this.#write({ ...changes, ...Object.fromEntries(unused.map((key) => [key, undefined])) });
    return unused;
  }

  #write(changes: Changes): void {
    const next = this.textWith(changes);
    if (next === this.#text()) return;
    writeFileAtomic(this.folder.runFile, next);
    this.onChange();
  }

  /** The file's text with these changes; comments and all other lines stay. @param changes undefined takes a key out */
  textWith(changes: Readonly<Record<string, unknown>>): string {
    const document = yaml().parseDocument(this.#text());
    document.contents ??= document.createNode({}) as never;
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) document.delete(key);
      else document.set(key, document.createNode(value, { flow: true }));
    }
    return document.toString({ lineWidth: 0, flowCollectionPadding: false });
  }

  #text(): string {
    return this.exists ? readFileSync(this.folder.runFile, "utf8") : "";
  }

  /** @throws BidoraError `STUDIO` for a step that needs what an earlier one decides */
  requireModel(): RunConfig {
    const config = this.settled();
    if (config) return config;
    throw new BidoraError("STUDIO", "Choose a model first, on the screen Model.");
  }
}
