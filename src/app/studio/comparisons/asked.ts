/** What a comparison is asked to compare: as the form has it, and as values. */
import { BidoraError, oneLine } from "../../../base/index.js";
import { methodNames } from "../../../tasks/config/index.js";
import type { RunFile } from "../runFile.js";
import type { Form } from "../screen.js";

/** The fields of the form, as they were typed. */
export interface ComparisonFields {
  readonly name: string;
  readonly methods: readonly string[];
  /** Names of variants, such as `lora+pissa`, separated by commas. */
  readonly variants: string;
  readonly seeds: string;
  readonly rates: string;
  readonly margin: string;
  readonly pilot: string;
}

export interface AskedComparison {
  readonly name: string;
  /** Methods and variants. */
  readonly methods: readonly string[];
  /** The number of seeds: 0, 1, … */
  readonly seeds: number;
  /** Learning rates to choose from for each method. */
  readonly rates: readonly number[];
  /** The difference below which methods count as equal. */
  readonly margin: number | undefined;
  /** The comparison whose runs show how scores vary. */
  readonly pilot: string | undefined;
}

const DEFAULTS = { methods: ["lora", "dora"], seeds: "3" };
const MOST_SEEDS = 100;

/** @param name where the form has none */
export function fieldsIn(form: Form, name: string): ComparisonFields {
  const isNew = !form.has("seeds");
  return {
    name: form.optional("name") ?? name,
    methods: isNew ? DEFAULTS.methods : form.all("methods").flatMap(listed),
    variants: form.text("variants"),
    seeds: isNew ? DEFAULTS.seeds : form.text("seeds"),
    rates: form.text("rates"),
    margin: form.text("margin"),
    pilot: form.text("pilot"),
  };
}

/** The same fields for another form. */
export const hiddenFields = ({ methods, ...texts }: ComparisonFields): Record<string, string> => ({
  ...texts,
  methods: methods.join(","),
});

/** @throws BidoraError `STUDIO` for a field that can't be read, and without any method */
export function askedIn({ name, methods, variants, seeds, rates, margin, pilot }: ComparisonFields): AskedComparison {
  const all = [...new Set([...methods, ...listed(variants)])];
  if (all.length === 0) throw new BidoraError("STUDIO", "Choose at least one method.");
  // A method stands where it stands in the list, whatever was clicked first.
  const known = methodNames.filter((method) => all.includes(method));
  return {
    name,
    methods: [...known, ...all.filter((method) => !(known as string[]).includes(method))],
    seeds: seedsIn(seeds.trim()),
    rates: listed(rates).map((text) => positive(text, "learning rates such as 1e-4, 3e-4")),
    margin: margin.trim() === "" ? undefined : positive(margin, "a margin"),
    pilot: pilot || undefined,
  };
}

const listed = (text: string): string[] => text.split(/[\s,]+/).filter((part) => part !== "");

function seedsIn(text: string): number {
  const seeds = Number(text);
  if (/^\d+$/.test(text) && seeds >= 1 && seeds <= MOST_SEEDS) return seeds;
  throw new BidoraError("STUDIO", `Expected a number of seeds from 1 to ${MOST_SEEDS}; got ${quoted(text)}.`);
}

function positive(text: string, what: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new BidoraError("STUDIO", `Expected ${what}, above 0; got ${quoted(text)}.`);
}

const quoted = (text: string): string => (text === "" ? "nothing" : JSON.stringify(oneLine(text)));

/** Settings of a run file that a comparison sets for each of its runs itself. */
const OF_ONE_RUN = ["method", "seed", "dataSeed", "overwrite", "resume", "profile", "adapter", "dashboard"] as const;

/** The comparison's file: the settings of run.yaml, and what is compared. */
export function comparisonText(
  runFile: RunFile,
  { methods, seeds, rates, margin }: AskedComparison,
  output: string,
): string {
  return runFile.textWith({
    ...Object.fromEntries(OF_ONE_RUN.map((key) => [key, undefined])),
    methods,
    seeds: Array.from({ length: seeds }, (_, seed) => seed),
    tune: rates.length === 0 ? undefined : { learningRate: rates },
    margin,
    output,
  });
}
