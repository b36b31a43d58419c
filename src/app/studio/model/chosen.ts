/** The model of the next run: what is in it, and whether the task fits it. */
import { formatCount } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { ModelInspection } from "../../../use/inference/index.js";
import { facts, sizeText, workPart } from "../page.js";
import type { Studio } from "../workspace.js";
import { failedFinding } from "./failedFinding.js";
import { modelState } from "./fileStates.js";
import { taskKindOf } from "./taskKind.js";

const INSPECT = "inspect";

/** @param model as run.yaml names it, on this machine @param task of the next run */
export function chosenPart(studio: Studio, model: string, task: string | undefined): Markup {
  const keyNow = () => JSON.stringify([model, modelState(studio.folder.path, model)]);
  const answer = studio.findings.ask({
    name: INSPECT,
    title: `Reading ${model}`,
    key: keyNow(),
    keyNow,
    words: ["inspect", model],
  });
  if (answer.state === "done") return contents(answer.values[0] as ModelInspection, task);
  return html`${workPart(INSPECT, studio.works.get(INSPECT))}${failedFinding(INSPECT, answer)}`;
}

function contents(found: ModelInspection, task: string | undefined): Markup {
  const { modelType, architectures, parameters, bytes, dtypes, head, embedding, refusals, vocabSize, maxTokens } =
    found;
  const list = facts([
    ["Architecture", architectures.join(", ") || (modelType ?? "unknown")],
    ["Parameters", formatCount(parameters)],
    ["Size", sizeText(bytes)],
    ["Vocabulary", vocabSize === null ? "" : `${formatCount(vocabSize)} tokens`],
    [
      "Longest text",
      maxTokens === null ? "no limit known" : `${formatCount(embedding?.maxLength ?? maxTokens)} tokens`,
    ],
    ["Types", Object.keys(dtypes).join(", ")],
    [
      "Trained for",
      head ? [head.kind, ...head.labels.slice(0, 8)].join(", ") : embedding ? "embedding" : "no task yet",
    ],
  ]);
  return html`${list}${refusals.map((why) => html`<p class="problem">${why}</p>`)}${verdict(found, task)}`;
}

/** Whether the task of the next run fits the model. */
function verdict({ tasks }: ModelInspection, task: string | undefined): Markup {
  const kind = taskKindOf(task);
  const known = tasks.length === 0 ? "no task" : tasks.join(", ");
  if (kind === undefined) return html`<p class="note">It can be trained for ${known}.</p>`;
  if ((tasks as readonly string[]).includes(kind)) return html`<p class="note">The task ${kind} fits this model.</p>`;
  return html`<p class="problem">The task ${kind} does not fit this model, which can be trained for ${known}: choose another model, or another task on the screen Data.</p>`;
}
