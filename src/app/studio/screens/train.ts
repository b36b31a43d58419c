/** How it is trained, and how that goes. */
import { BidoraError } from "../../../base/index.js";
import { EVENTS, isRunFolder } from "../../../base/records/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { estimatePart } from "../model/estimatePart.js";
import type { Action, Asked, Form, Rendered, Screen } from "../screen.js";
import { settingsActions, settingsPart } from "../settings/settingsPart.js";
import { endedNames, entryOf, type RunEntry } from "../training/entries.js";
import { queuePart, runsPart } from "../training/listParts.js";
import { addReports } from "../training/reports.js";
import { figuresPart, runPart } from "../training/runPart.js";
import { type Next, nextRun, queuedSettings, scoresStart, startPart } from "../training/startPart.js";
import type { Studio } from "../workspace.js";

const nameIn = (form: Form): string => form.required("name", "the name of a run");

const byName =
  (act: (studio: Studio, name: string) => void): Action =>
  (studio, form) => {
    act(studio, nameIn(form));
  };

export const train: Screen = {
  path: "/train",
  title: "Train",
  about: "How it is trained, and how that goes.",
  topics: ["runs", "run"],
  async render(studio, asked) {
    const { queue, folder } = studio;
    const ended = endedNames(queue, folder);
    const chosen = await entryOf(queue, chosenName(studio, asked.query.get("run"), ended));
    const next = nextRun(studio);
    const waiting = await entriesOf(studio, queue.waiting);
    const content = [
      startPart(studio, next, asked.form),
      chosen && runPart(queue, chosen),
      queuePart(queue, waiting),
      runsPart(await entriesOf(studio, ended), chosen?.name),
      chosen && figuresPart(queue, chosen),
      "missing" in next ? undefined : estimatePart(studio, queue.current !== undefined || studio.comparisons.isRunning),
      await settingsOf(studio, asked),
    ];
    return { content, commands: commandsOf(studio, next, chosen) };
  },
  actions: {
    ...settingsActions,
    async start(studio, form) {
      const name = form.required("name", "a name for the run");
      studio.runFile.requireModel();
      await studio.queue.add(name, queuedSettings(studio, name));
      return "/train";
    },
    async go({ queue }) {
      await queue.go();
    },
    pause: (studio, form) => endCurrent(studio, form, "pause"),
    stop: (studio, form) => endCurrent(studio, form, "stop"),
    save(studio, form) {
      if (isCurrent(studio, form)) studio.queue.save();
    },
    async resume({ queue }, form) {
      await queue.resume(nameIn(form));
    },
    async renew(studio, form) {
      const name = nameIn(form);
      studio.runFile.requireModel();
      await studio.queue.renew(name, queuedSettings(studio, name));
    },
    up: byName((studio, name) => studio.queue.moveUp(name)),
    leave: byName((studio, name) => studio.queue.leave(name)),
    async remove(studio, form) {
      const name = nameIn(form);
      const { talks } = studio;
      talks.refuseAnswering(name);
      await studio.queue.remove(name);
      talks.remove(name);
      return "/train";
    },
  },
  addRoutes: (app, studio) => addReports(app, studio, "/train", "runs", EVENTS),
};

/** The settings of the next run; undefined for a run.yaml that can't be read, whose fault is shown above. */
async function settingsOf(studio: Studio, asked: Asked): Promise<Markup | undefined> {
  try {
    return html`<div id="next-settings">${await settingsPart(studio, asked)}</div>`;
  } catch (error) {
    if (error instanceof BidoraError) return undefined;
    throw error;
  }
}

/** A page may still show the run before: its buttons must not stop the next one. */
const isCurrent = (studio: Studio, form: Form): boolean => studio.queue.current?.name === nameIn(form);

function endCurrent(studio: Studio, form: Form, asked: "pause" | "stop"): undefined {
  if (isCurrent(studio, form)) studio.queue.end(asked);
}

/** The run that is shown: that of the address, else the one that runs, that is paused, or that ended last. */
function chosenName({ queue }: Studio, named: string | null, ended: readonly string[]): string | undefined {
  const [first, ...later] = queue.waiting;
  const paused = first !== undefined && isRunFolder(queue.folderOf(first)) ? first : undefined;
  const names = [queue.current?.name, paused, ...ended, first, ...later];
  return names.find((name) => name === named) ?? names.find((name) => name !== undefined);
}

async function entriesOf({ queue }: Studio, names: readonly string[]): Promise<RunEntry[]> {
  const found = await Promise.all(names.map((name) => entryOf(queue, name)));
  return found.filter((entry) => entry !== undefined);
}

function commandsOf(
  { queue, folder }: Studio,
  next: Next,
  chosen: RunEntry | undefined,
): NonNullable<Rendered["commands"]> {
  const start = "missing" in next || !scoresStart(next.config.given) ? [] : ["--eval-on-start"];
  const ofNext =
    "missing" in next ? [] : [["finetune", "run.yaml", ...start, "--output", folder.as("runs", next.name)]];
  if (!chosen) return ofNext;
  const isDone = chosen.state === "done" || chosen.state === "elsewhere";
  return [...ofNext, isDone ? ["report", folder.as("runs", chosen.name)] : queue.wordsOf(chosen.name)];
}
