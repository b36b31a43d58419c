/** What is trained, and whether it fits this machine. */
import { BidoraError } from "../../../base/index.js";
import { html } from "../../../studies/report/index.js";
import { chosenPart } from "../model/chosen.js";
import { startDownload } from "../model/download.js";
import { estimatePart } from "../model/estimatePart.js";
import { isOnMachine } from "../model/found.js";
import { modelList } from "../model/modelList.js";
import { suggestionFor } from "../model/suggestion.js";
import { button } from "../page.js";
import type { Screen } from "../screen.js";

export const model: Screen = {
  path: "/model",
  title: "Model",
  about: "What is trained, and whether it fits this machine.",
  topics: ["run", "rows", "models"],
  async render(studio, { query, form }) {
    const file = studio.runFile.read();
    const { model: chosen, task, train } = file;
    const isHere = chosen !== undefined && isOnMachine(studio.folder.path, chosen);
    const suggestion = await suggestionFor(studio, file);
    const list = modelList(studio, {
      chosen,
      suggestion,
      path: query.get("path") || undefined,
      typed: form?.optional("name"),
    });
    const contents =
      chosen === undefined
        ? html`<p class="note">None yet.</p>`
        : isHere
          ? chosenPart(studio, chosen, task)
          : html`<p class="problem">${chosen} is not on this machine.</p><div class="buttons">${button("/model/download", "Download it", { name: chosen }, "download-chosen")}</div>`;
    return {
      content: [
        html`<section id="chosen" aria-labelledby="chosen-title"><h2 id="chosen-title">Model of the next run${chosen === undefined ? "" : `: ${chosen}`}</h2>${contents}</section>`,
        list,
        estimatePart(studio),
      ],
      commands: [
        ...(chosen === undefined ? [] : [...(isHere ? [] : [["download", chosen]]), ["inspect", chosen]]),
        ...(chosen !== undefined && train !== undefined ? [["estimate", "run.yaml"]] : []),
      ],
    };
  },
  actions: {
    choose(studio, form) {
      const name = form.required("model", "a model");
      if (!isOnMachine(studio.folder.path, name))
        throw new BidoraError("STUDIO", `${name} is not on this machine any more.`);
      studio.runFile.change({ model: name });
      return "/model";
    },
    download(studio, form) {
      startDownload(studio, form.required("name", "the name of a model"));
    },
    again(studio, form) {
      studio.findings.again(form.text("name"));
    },
  },
};
