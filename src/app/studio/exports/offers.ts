/** What can be made of a finished run: the command that makes it, and the fields of its form. */
import { BidoraError } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { ONNX_DTYPE_NAMES } from "../../../use/export/index.js";
import { type FinishedRun, modelFlags } from "../answers/finishedRuns.js";
import type { Refusals } from "../answers/protocol.js";
import { choiceField, textField } from "../page.js";
import { Form } from "../screen.js";

/** What is known of a run besides its settings. */
export interface RunFacts {
  /** The number of its validation rows; undefined if it had none. */
  readonly validationRows: number | undefined;
}

export interface Offer {
  readonly key: string;
  readonly title: string;
  readonly about: string;
  /** The end of its folder's name. */
  readonly suffix: string;
  /** The words of the command that writes it to a folder, with the values of a form. @throws BidoraError for a form that lacks something */
  words(run: FinishedRun, form: Form, folder: string): readonly string[];
  fields?(run: FinishedRun, facts: RunFacts): readonly Markup[];
  /** Why the run can't have it; undefined if nothing speaks against it. */
  refusal(run: FinishedRun, refusals: Refusals): string | undefined;
}

const WHOLE = "This run trained the whole model: there is no adapter, and what it wrote is the merged model already.";
const needsAdapter = ({ isAdapter }: FinishedRun): string | undefined => (isAdapter ? undefined : WHOLE);

const given = (form: Form, name: string, flag: string): string[] => {
  const value = form.optional(name);
  return value === undefined ? [] : [flag, value];
};

const texts = (values: readonly string[]) => values.map((value) => [value, value] as const);

/** The rank of an approximation: LoRA's own needs none. */
const rankField = (key: string, { metadata }: FinishedRun): Markup[] =>
  metadata.method === "lora"
    ? []
    : [
        textField(
          { name: `rank-${key}`, label: "Rank", help: "Empty: the adapter’s. A higher one keeps more of the change." },
          undefined,
          html`type="number" min="1"`,
        ),
      ];

const merged: Offer = {
  key: "merged",
  title: "Merged model",
  about: "A plain Hugging Face model, with the adapter in its weights.",
  suffix: "merged",
  words: (run, _, folder) => ["merge", ...modelFlags(run), "--output", folder],
  refusal: needsAdapter,
};

const lora: Offer = {
  key: "peft-lora",
  title: "Plain LoRA for PEFT",
  about:
    "The adapter’s change of the weights as a LoRA, for programs that know nothing else. It says how much it loses.",
  suffix: "lora",
  words: (run, form, folder) => [
    ...["export", ...modelFlags(run), "--to", "peft-lora", ...given(form, "rank-peft-lora", "--rank")],
    ...["--output", folder],
  ],
  fields: (run) => rankField("peft-lora", run),
  refusal: (run) =>
    needsAdapter(run) ??
    (run.metadata.method === "lora" ? "The adapter is a plain LoRA already: take it as it is." : undefined),
};

const gguf: Offer = {
  key: "gguf",
  title: "GGUF, with a Modelfile",
  about: "One file for llama.cpp, and a Modelfile for “ollama create”.",
  suffix: "gguf",
  words: (run, form, folder) => [
    ...["export", ...modelFlags(run), "--to", "gguf", ...given(form, "outtype", "--outtype")],
    ...["--output", `${folder}/${run.name}.gguf`],
  ],
  fields: () => [choiceField({ name: "outtype", label: "Matrices" }, texts(["f16", "q8_0", "bf16", "f32"]), "f16")],
  refusal: (_, refusals) => refusals.gguf,
};

const ggufLora: Offer = {
  key: "gguf-lora",
  title: "GGUF of the adapter alone",
  about: "A LoRA that llama.cpp loads on top of the base model’s GGUF file.",
  suffix: "gguf-lora",
  words: (run, form, folder) => [
    ...["export", ...modelFlags(run), "--to", "gguf-lora", ...given(form, "lora-outtype", "--outtype")],
    ...[...given(form, "rank-gguf-lora", "--rank"), "--output", `${folder}/${run.name}-lora.gguf`],
  ],
  fields: (run) => [
    choiceField({ name: "lora-outtype", label: "Matrices" }, texts(["f32", "f16"]), "f32"),
    ...rankField("gguf-lora", run),
  ],
  refusal: (run, refusals) => needsAdapter(run) ?? refusals["gguf-lora"],
};

const DTYPES = { fp32: "float32", fp16: "float16", q8: "8 bits", q4: "4 bits", q4f16: "4 bits and float16" } as const;

const onnx: Offer = {
  key: "onnx",
  title: "ONNX",
  about:
    "For transformers.js and onnxruntime, in Node and browsers: a graph for each data type, with its size and its error.",
  suffix: "onnx",
  words: (run, form, folder) => [
    ...["export", ...modelFlags(run), "--to", "onnx", "--dtype", dtypesIn(form).join(",")],
    ...(form.has("measure") && run.settings.validation !== undefined ? ["--data", run.settings.validation] : []),
    ...["--output", folder],
  ],
  fields: ({ settings: { validation } }, facts) => [
    html`<fieldset class="models"><legend>Data types</legend>${ONNX_DTYPE_NAMES.map((name) => box("dtype", name, `${name} (${DTYPES[name]})`, name === "fp32" || name === "q8"))}</fieldset>`,
    html`${validation === undefined ? undefined : box("measure", "on", `Measure the errors on ${validation}, which takes longer than the export`, isQuick(facts))}`,
  ],
  refusal: (_, refusals) => refusals.onnx,
};

function dtypesIn(form: Form): readonly string[] {
  const chosen = form.all("dtype");
  if (chosen.length === 0) throw new BidoraError("STUDIO", "Choose a data type first.");
  return chosen;
}

const box = (name: string, value: string, text: string, isChecked: boolean): Markup =>
  html`<label class="box"><input type="checkbox" name="${name}" value="${value}" id="${name}-${value}"${isChecked ? html` checked` : undefined}> ${text}</label>`;

export const OFFERS: readonly Offer[] = [merged, lora, gguf, ggufLora, onnx];

/** With more validation rows than this, errors are not measured unless that is asked for: it would take minutes. */
const MOST_MEASURED = 200;

const isQuick = ({ validationRows = 0 }: RunFacts): boolean => validationRows <= MOST_MEASURED;

/** The forms as they are before anything is chosen in them. */
export const defaultsFor = (facts: RunFacts): Form =>
  new Form(`outtype=f16&lora-outtype=f32&dtype=fp32&dtype=q8${isQuick(facts) ? "&measure=on" : ""}`);
