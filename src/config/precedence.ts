import type { RunSettings } from "./options.js";

/**
 * Who can settle a setting, the strongest first: the first that has a value for it does. The schema's defaults come last.
 *
 * - `found`: model and data, which say exactly what the others leave open (the columns by name, a dtype for `auto`)
 * - `flags`: the command line, or the call
 * - `file`: the YAML file
 * - `adapter`: the one that the run starts from
 * - `follows`: the other settings (the rate follows the method)
 */
export const SOURCES = ["found", "flags", "file", "adapter", "follows"] as const;

/** What each source says; it leaves open what is undefined. */
export type Sources = { readonly [S in (typeof SOURCES)[number]]?: RunSettings };

/** Each setting as the strongest source has it. */
export function settle(sources: Sources): RunSettings {
  return Object.assign({}, ...SOURCES.toReversed().map((source) => withoutOpen(sources[source] ?? {})));
}

/** What a user set. */
export const byHand = ({ flags, file }: Sources): RunSettings =>
  settle({ ...(flags && { flags }), ...(file && { file }) });

function withoutOpen(settings: RunSettings): RunSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
