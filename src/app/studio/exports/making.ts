/** Making an export: a work by the command, in a folder of its own. */
import { BidoraError } from "../../../base/index.js";
import { type FinishedRun, finishedRun } from "../answers/finishedRuns.js";
import type { Form } from "../screen.js";
import type { Studio } from "../workspace.js";
import { removeExport, saveMaking } from "./exported.js";
import { OFFERS, type Offer } from "./offers.js";

/** The work that makes an offer of a run. */
export const workName = ({ name }: FinishedRun, { key }: Offer): string => `export-${name}-${key}`;

export const runOf = ({ folder }: Studio, form: Form): FinishedRun => {
  const run = finishedRun(folder, form.required("run", "a run"));
  if (run) return run;
  throw new BidoraError("STUDIO", "There is no finished run of this name.");
};

/** Starts to make what a form asks for. */
export function make(studio: Studio, form: Form): undefined {
  const run = runOf(studio, form);
  const offer = OFFERS.find(({ key }) => key === form.text("make"));
  if (!offer) throw new BidoraError("STUDIO", "Choose what to make first.");
  const { folder, works } = studio;
  folder.make("exports");
  const name = folder.freeName("exports", `${run.name}-${offer.suffix}`);
  const words = offer.words(run, form, folder.as("exports", name));
  void works.start(workName(run, offer), `${offer.title} of ${run.name}`, async ({ signal, report }) => {
    const values = await studio.commands.run(words, signal, (message) => report({ message }));
    const { relativeError, files } = (values.at(-1) ?? {}) as Pick<
      Parameters<typeof saveMaking>[2],
      "relativeError" | "files"
    >;
    saveMaking(folder, name, {
      ...{ run: run.name, ended: run.time, kind: offer.key, words },
      ...(relativeError !== undefined && { relativeError }),
      ...(files && { files }),
    });
    return `It is in exports/${name}.`;
  });
}

export function remove({ folder }: Studio, form: Form): undefined {
  removeExport(folder, form.required("name", "a name"));
}
