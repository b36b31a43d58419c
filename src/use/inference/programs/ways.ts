/** Commands of bidora that turn a model or an adapter into something that another program reads. */
import { basename } from "node:path";
import { HINTED_COMMAND, shellLine } from "../../../base/index.js";
import type { AdapterConfig } from "../../../models/adapters/index.js";
import type { AdapterSubject, Subject } from "./subject.js";

/** A command, and the path of what it writes. */
export interface Way {
  readonly command: string;
  readonly output: string;
}

/** Stands in commands for a base model whose name is not known. */
const BASE_MODEL = "BASE_MODEL";

/** The base model's name in commands. */
export const baseName = ({ base = BASE_MODEL }: AdapterSubject): string => base;

/** The last part of a path or a repository's name, without `.gguf`. */
export const shortName = (path: string): string => basename(path).replace(/\.gguf$/i, "");

/** How a model or an adapter is named to bidora's commands. */
function flagsOf({ name, adapter }: Subject): string[] {
  if (!adapter) return ["--model", name];
  const base = adapter.givenBase ?? (adapter.base === undefined ? BASE_MODEL : undefined);
  return [...(base === undefined ? [] : ["--model", base]), "--adapter", name];
}

function way(subject: Subject, words: readonly string[], suffix: string): Way {
  const output = `${shortName(subject.name)}${suffix}`;
  const line = shellLine([...words, ...flagsOf(subject), "--output", output]);
  return { command: `${HINTED_COMMAND} ${line}`, output };
}

/** Why an adapter of a model that embeds texts is no GGUF file of its own; nothing for a model. */
export const reasonsToMerge = ({ adapter }: Subject): readonly string[] =>
  adapter ? ["An adapter of a model that embeds texts has to be merged."] : [];

/** Why an adapter that LoftQ started needs its own base; nothing for others. */
export const reasonsOfBase = ({ settings }: AdapterSubject): readonly string[] =>
  settings.initLoraWeights === "loftq"
    ? [`LoftQ started it on a base packed as ${settings.baseDtype}: on other weights its answers would be wrong.`]
    : [];

/** Merges the adapter into its base model; undefined for an adapter that can't be merged. */
export const merging = (subject: Subject): Way | undefined =>
  subject.adapter && isMergeable(subject.adapter.config) ? way(subject, ["merge"], "-merged") : undefined;

/** No weight of the base model can hold what a bottleneck adapter computes. */
export const isMergeable = ({ method }: AdapterConfig): boolean => method !== "adapter";

/** @param suffix of the output's name */
export const exporting = (subject: Subject, to: string, suffix: string): Way =>
  way(subject, ["export", "--to", to], suffix);
