/** The forms by which a run is exported; what it can't be exported to says why. */
import { html, type Markup } from "../../../studies/report/index.js";
import { askedModel, type FinishedRun } from "../answers/finishedRuns.js";
import type { Refusals } from "../answers/protocol.js";
import { wrongRowsOf } from "../answers/wrongRows.js";
import { button, form, hidden, sizeText, workPart } from "../page.js";
import type { Studio } from "../workspace.js";
import { filesOfRun } from "./adapterFiles.js";
import { bytesOf } from "./exported.js";
import { workName } from "./making.js";
import { defaultsFor, OFFERS, type Offer, type RunFacts } from "./offers.js";

/** What speaks against exports, as far as it is known: the process that answers may still be asked. */
export function refusalsOf({ answers }: Studio, run: FinishedRun): Known {
  const { pieces, isRunning, problem } = answers.to({ kind: "refusals", models: [askedModel(run)] });
  const [piece] = pieces;
  return {
    refusals: piece && "refusals" in piece ? piece.refusals : {},
    isAsking: isRunning,
    problem: piece && "error" in piece ? piece.error : problem,
  };
}

export interface Known {
  readonly refusals: Refusals;
  /** Whether it is still being found out. */
  readonly isAsking: boolean;
  /** Why nothing is known. */
  readonly problem: string | undefined;
}

/** Whether all that speaks against exports is known. */
export const isKnown = ({ isAsking, problem }: Known): boolean => !isAsking && problem === undefined;

/** That it is being found out, or why it is not known, with a button to ask again. */
export function askingPart({ isAsking, problem }: Known): Markup | undefined {
  if (isAsking) return html`<p class="note" id="asking" role="status">Looking at what it can be exported to …</p>`;
  if (problem === undefined) return undefined;
  return html`<p class="problem" id="asking" role="status">${problem}</p><div class="buttons">${button("/take/again", "Try again", {}, "again")}</div>`;
}

/** @param folder the studio's */
export async function factsOf(run: FinishedRun, folder: string): Promise<RunFacts> {
  return { validationRows: (await wrongRowsOf(run, folder))?.of };
}

export async function offersPart(studio: Studio, run: FinishedRun, known: Known, facts: RunFacts): Promise<Markup> {
  const parts = OFFERS.map((offer) => {
    const refusal = offer.refusal(run, known.refusals);
    return offerPart(studio, run, offer, { facts, refusal, isKnown: isKnown(known) });
  });
  return html`<section id="offers" aria-labelledby="offers-title"><h2 id="offers-title">Make of it</h2><div class="columns">${await asItIs(run)}${parts}</div></section>`;
}

/** What the run wrote, without what it has noted about itself. */
async function asItIs(run: FinishedRun): Promise<Markup> {
  const { name, isAdapter, metadata } = run;
  const files = await filesOfRun(run);
  const isPeft = files.some((file) => file.name === "adapter_model.safetensors");
  const about = !isAdapter
    ? "The model that the run trained, as transformers reads it."
    : isPeft
      ? `The ${metadata.method} adapter, as PEFT and bidora read it.`
      : `The ${metadata.method} adapter, as bidora reads it: PEFT has no such adapters.`;
  return html`<article class="column" id="offer-as-it-is" aria-labelledby="offer-as-it-is-title"><h3 id="offer-as-it-is-title">${isAdapter ? "Adapter" : "Model"}</h3><p>${about}</p><div class="buttons"><a class="button" href="/take/adapter/${name}" download>Download ${name}.zip</a></div><p class="note">${files.length} files, ${sizeText(bytesOf(files))}</p></article>`;
}

interface Judged {
  readonly facts: RunFacts;
  readonly refusal: string | undefined;
  readonly isKnown: boolean;
}

function offerPart({ works }: Studio, run: FinishedRun, offer: Offer, { facts, refusal, isKnown }: Judged): Markup {
  const { key, title, about } = offer;
  const work = workName(run, offer);
  const content =
    refusal !== undefined
      ? html`<p class="note" id="refusal-${key}">${refusal}</p><button type="button" disabled aria-describedby="refusal-${key}">Make</button>`
      : form("/take/make", [
          hidden({ run: run.name, make: key }),
          ...(offer.fields?.(run, facts) ?? []),
          html`<div class="buttons"><button id="make-${key}"${isKnown ? undefined : html` disabled aria-describedby="asking"`}>Make<span class="hidden"> ${title}</span></button></div>`,
        ]);
  return html`<article class="column" id="offer-${key}" aria-labelledby="offer-${key}-title"><h3 id="offer-${key}-title">${title}</h3><p>${about}</p>${content}${workPart(work, works.get(work))}</article>`;
}

/** The command lines of what can be made, with the values that the forms begin with. */
export const commandsFor = (run: FinishedRun, refusals: Refusals, facts: RunFacts): readonly (readonly string[])[] =>
  OFFERS.filter((offer) => offer.refusal(run, refusals) === undefined).map((offer) =>
    offer.words(run, defaultsFor(facts), `exports/${run.name}-${offer.suffix}`),
  );
