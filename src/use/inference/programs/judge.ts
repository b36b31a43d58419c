/** Which other programs run a model or an adapter, which do not and why, and the commands that change that. */
import type { Inspection } from "../inspection.js";
import { llamaCpp } from "./llamaCpp.js";
import { ollama } from "./ollama.js";
import { peft } from "./peft.js";
import { type Subject, subjectOf } from "./subject.js";
import { transformersJs } from "./transformersJs.js";
import { no, type Program, unknown, type Verdict } from "./verdict.js";
import { vllm } from "./vllm.js";

/** The programs that `inspect` knows. */
export type EngineName = "transformers.js" | "vllm" | "llama.cpp" | "ollama" | "peft";

const PROGRAMS: Readonly<Record<EngineName, Program>> = {
  "transformers.js": transformersJs,
  vllm,
  "llama.cpp": llamaCpp,
  ollama,
  peft,
};

/** Their names, as `--for` takes them. */
export const ENGINE_NAMES = Object.keys(PROGRAMS) as EngineName[];

/** An engine's verdict on a model or an adapter. */
export interface EngineVerdict extends Verdict {
  readonly engine: EngineName;
}

/**
 * Judges a model or an adapter for some engines, from what is in its files; nothing is downloaded and no engine is run.
 * @param name of the folder, as the user gave it: commands repeat it
 * @param model the adapter's base model, if the user names it
 * @throws BidoraError for a base model that the user names and that is not on this machine
 */
export async function judge(
  found: Inspection,
  engines: readonly EngineName[],
  { name, model }: { readonly name: string; readonly model: string | undefined },
): Promise<EngineVerdict[]> {
  const isUnread = found.kind === "adapter" && found.settings === null;
  const subject = isUnread ? undefined : await subjectOf(found, name, model);
  return engines.map((engine) => ({ engine, ...(subject ? verdictOn(subject, PROGRAMS[engine]) : UNREAD) }));
}

const verdictOn = (subject: Subject, program: Program): Verdict =>
  subject.misfit === undefined ? program(subject) : no([subject.misfit]);

const UNREAD = unknown(["bidora can't read the adapter."]);
