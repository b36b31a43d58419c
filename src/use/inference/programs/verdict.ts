// What the judges share: verdicts, and commands of bidora that turn a model or an adapter into something that another program reads.
import { basename } from "node:path";
import { HINTED_COMMAND, shellLine } from "../../../base/index.js";
import type { AdapterConfig } from "../../../models/adapters/index.js";
import type { AdapterSubject, Subject } from "./subject.js";

/** Whether another program runs a model or an adapter as it is. */
export interface Verdict {
  /** `no` also for a program that would load it and compute something else without an error. */
  readonly takes: "yes" | "no" | "unknown";
  /** Why not, or what is not known; one sentence each. */
  readonly reasons: readonly string[];
  /** What to know about using it there; one sentence each. */
  readonly notes: readonly string[];
  /** Shell commands after which it runs there, in order; empty if there are none. */
  readonly commands: readonly string[];
}

/** Another program that runs models, as a judge of what it takes: one file in this folder, one line in `judge.ts`. */
export type Program = (subject: Subject) => Verdict;

type Rest = Partial<Pick<Verdict, "notes" | "commands">>;

export const yes = ({ notes = [], commands = [] }: Rest): Verdict => ({ takes: "yes", reasons: [], notes, commands });

export const no = (reasons: readonly string[], { notes = [], commands = [] }: Rest = {}): Verdict => ({
  takes: "no",
  reasons,
  notes,
  commands,
});

export const unknown = (reasons: readonly string[], rest: Rest = {}): Verdict => ({
  ...no(reasons, rest),
  takes: "unknown",
});

/** `yes` if nothing speaks against it, `no` if something does, and `unknown` if something is not known. */
export function judged(against: readonly string[], open: readonly string[], ifNot: Rest, ifSo: Rest): Verdict {
  if (against.length > 0) return no([...against, ...open], ifNot);
  return open.length > 0 ? unknown(open, ifNot) : yes(ifSo);
}

/** A command, and the path of what it writes. */
export interface Way {
  readonly command: string;
  readonly output: string;
}

/** Stands in commands for a base model whose name is not known. */
const BASE_MODEL = "BASE_MODEL";

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
export const reasonsOfBase = ({ settings, json }: AdapterSubject): readonly string[] => {
  if (settings.initLoraWeights === "loftq")
    return [`LoftQ started it on a base packed as ${settings.baseDtype}: on other weights its answers would be wrong.`];
  return settings.initLoraWeights === undefined && json.init_lora_weights === "loftq"
    ? ["LoftQ started it in PEFT, which quantized its base: on other weights its answers would be wrong."]
    : [];
};

/** Merges the adapter into its base model; undefined for an adapter that can't be merged. */
export const merging = (subject: Subject): Way | undefined =>
  subject.adapter && isMergeable(subject.adapter.config) ? way(subject, ["merge"], "-merged") : undefined;

/** No weight of the base model can hold what a bottleneck adapter computes. */
export const isMergeable = ({ method }: AdapterConfig): boolean => method !== "adapter";

/** @param suffix of the output's name */
export const exporting = (subject: Subject, to: string, suffix: string): Way =>
  way(subject, ["export", "--to", to], suffix);
