/** What trained models answer. */
import { choiceIn } from "../answers/choice.js";
import { choicePart, heldPart } from "../answers/choicePart.js";
import { finishedRuns } from "../answers/finishedRuns.js";
import { ask, predictPart } from "../answers/predictPart.js";
import { GENERATING } from "../answers/protocol.js";
import { forget, say, talkFields, talkPart } from "../answers/talkPart.js";
import { wrongPart } from "../answers/wrongPart.js";
import { firstStep } from "../page.js";
import type { Asked, Rendered, Screen } from "../screen.js";
import type { Studio } from "../workspace.js";

export const tryScreen: Screen = {
  path: "/try",
  title: "Try",
  about: "What trained models answer.",
  topics: ["runs"],
  render,
  actions: {
    ask,
    forget,
    hush(studio) {
      studio.talks.stop();
    },
    async close(studio) {
      await studio.answerer.close();
    },
  },
  addRoutes(app, studio) {
    app.post("/try/say", (c) => say(c, studio));
  },
};

async function render(studio: Studio, asked: Asked): Promise<Rendered> {
  const all = finishedRuns(studio.folder);
  const choice = choiceIn(asked.query, all);
  if (!choice) return { content: [firstStep("No run has finished yet.", "/train", "Train one first.")] };
  const isTalk = GENERATING.includes(choice.runs[0]!.task);
  const part = isTalk ? talkPart(studio, choice) : predictPart(studio, choice, asked.form);
  const content = [
    await choicePart(choice, all, [isTalk ? talkFields(choice) : undefined]),
    heldPart(studio.answerer.held),
    ...part.content,
    await wrongPart(choice, studio.folder.path),
  ];
  return { content, commands: part.commands };
}
