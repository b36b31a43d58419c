/** Asking language models: conversations or texts, side by side, whose answers come in pieces. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "hono";
import { streamText } from "hono/streaming";
import { BidoraError, CHAT_TEMPLATE, TOKENIZER_FILES } from "../../../base/index.js";
import { readOptionalJsonObject } from "../../../base/records/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { ModelGenerateSettings } from "../../../use/inference/index.js";
import { button, choiceField, form, hidden, textField } from "../page.js";
import { Form } from "../screen.js";
import type { Studio } from "../workspace.js";
import { type Choice, talkersOf } from "./choice.js";
import { hiddenChoice } from "./choicePart.js";
import { BASE, type FinishedRun, modelFlags } from "./finishedRuns.js";
import { choiceOfForm, column } from "./predictPart.js";
import { FORMS, type Talk, type Talker, type TalkForm, talkFile } from "./talks.js";

/** Settings of `generate` that the page has fields for. */
const NUMBERS = { maxNewTokens: "max-new-tokens", temperature: "temperature", topP: "top-p", seed: "seed" } as const;
type NumberKey = keyof typeof NUMBERS;
const KEPT = ["form", "system", ...Object.keys(NUMBERS)];

/** Most answers are long enough with this many tokens, and none takes minutes. */
const TOKENS = "128";

/** A run that was trained on conversations is asked in one, and so is one whose rows don't say it if it has a template. */
function formOf({ query, runs: [run] }: Choice): TalkForm {
  const asked = FORMS.find((form) => form === query.get("form"));
  const columns = run!.metadata.textColumns;
  if (asked || columns) return asked ?? (columns?.includes("messages") ? "messages" : "prompt");
  return hasTemplate(run!) ? "messages" : "prompt";
}

/** Whether a run’s tokenizer has a chat template. */
export function hasTemplate({ path }: FinishedRun): boolean {
  const [, config] = TOKENIZER_FILES;
  return (
    existsSync(join(path, CHAT_TEMPLATE)) || readOptionalJsonObject(join(path, config))?.chat_template !== undefined
  );
}

/** The fields of how models are asked. They are in the address, so that they outlast the page. */
export function talkFields(choice: Choice): Markup {
  const { query } = choice;
  const isChat = formOf(choice) === "messages";
  const number = (name: NumberKey, label: string, help: string, attributes: Markup) =>
    textField({ name, label, help }, chosen(query, name), html`type="number" ${attributes}`);
  const system = textField(
    { name: "system", label: "System message", help: "What stands before a new conversation." },
    query.get("system") ?? undefined,
  );
  return html`<div class="fields">${choiceField(
    { name: "form", label: "Asked with" },
    [
      ["messages", "a conversation"],
      ["prompt", "a text to continue"],
    ],
    formOf(choice),
  )}${number("maxNewTokens", "Most tokens", "of an answer.", html`min="1"`)}${number("temperature", "Temperature", "Empty: always the most likely token.", html`min="0" step="any"`)}${number("topP", "Top-p", "Share of probability to sample from.", html`min="0" max="1" step="any"`)}${number("seed", "Seed", "of sampling.", html`min="0"`)}${isChat ? system : undefined}</div>`;
}

const chosen = (query: URLSearchParams, name: NumberKey): string | undefined =>
  query.get(name) ?? (name === "maxNewTokens" ? TOKENS : undefined);

/** @returns what the page shows, and the command lines that give the last answers */
export function talkPart({ talks }: Studio, choice: Choice) {
  const own = formOf(choice);
  const talkers = talkersOf(choice);
  const said = talkers.map((talker) => ({
    talker,
    talk: talks.read(talker, own),
    problem: talks.problem(talker, own),
  }));
  const isBusy = talkers.some((talker) => talks.isAnswering(talker, own));
  const columns = said.map(({ talker, talk, problem }) =>
    column(nameOf(talker), [talkColumn(talk), isBusy ? ANSWERING : problemPart(problem)]),
  );
  const commands = said.flatMap(({ talker, talk }) => {
    const flags = flagsFor(talker);
    return talk && flags ? [["generate", ...flags, "--input", talkFile(talker, own), ...flagsOf(talk.settings)]] : [];
  });
  const content = html`<section id="talk" aria-labelledby="talk-title"><h2 id="talk-title">${own === "messages" ? "Conversation" : "Text"}</h2><div class="columns">${columns}</div>${sayPart(choice, own, { talk: said[0]?.talk, count: talks.count })}<div class="buttons">${isBusy ? button("/try/hush", "Stop") : undefined}${said.some(({ talk }) => talk) ? forgetPart(choice) : undefined}</div></section>`;
  return { content: [content], commands };
}

const nameOf = ({ run, isBase }: Talker): string => (isBase ? BASE : run.name);

/** Undefined for a base model that only the adapter's own files name. */
function flagsFor({ run, isBase }: Talker): readonly string[] | undefined {
  if (!isBase) return modelFlags(run);
  const { model } = run.settings;
  return model === undefined ? undefined : ["--model", model, ...templateFlags(run)];
}

/** The base model is asked by the template that the run was trained with. */
const templateFlags = ({ metadata, folder }: FinishedRun): readonly string[] =>
  metadata.chatTemplate ? ["--chat-template", `${folder}/${CHAT_TEMPLATE}`] : [];

/** The flags of the settings that an answer was generated with. */
const flagsOf = (settings: ModelGenerateSettings = {}): string[] =>
  Object.entries(NUMBERS).flatMap(([key, flag]) => {
    const value = settings[key as NumberKey];
    return value === undefined ? [] : [`--${flag}`, String(value)];
  });

const ANSWERING = html`<p class="note">Opening and asking …</p>`;

const problemPart = (problem: string | undefined): Markup =>
  html`${problem === undefined ? undefined : html`<p class="problem">${problem}</p>`}`;

const WHO = { system: "System", user: "You", assistant: "Model" } as const;

function talkColumn(talk: Talk | undefined): Markup {
  if (!talk) return html`<p class="note">Nothing was said yet.</p>`;
  const { messages, prompt, answer = "" } = talk;
  if (!messages) return html`<p class="said-text">${prompt}<mark>${answer}</mark></p>`;
  const turns = messages.map(({ role, content }) => turn(WHO[role], role, content));
  const last = answer === "" ? undefined : turn(WHO.assistant, "assistant", answer);
  return html`<dl class="talk">${turns}${last}</dl>`;
}

const turn = (who: string, role: string, content: string): Markup =>
  html`<div class="${role}"><dt>${who}</dt><dd>${content}</dd></div>`;

/** @param count of what was said so far: the part that an answer comes into is another one each time, so that an old one leaves the page */
function sayPart(
  choice: Choice,
  own: TalkForm,
  { talk, count }: { readonly talk: Talk | undefined; readonly count: number },
): Markup {
  const id = `streamed-${count}`;
  const label = own === "messages" ? "Your message" : "Text to continue";
  const text = own === "prompt" ? (talk?.prompt ?? "") : "";
  const area = html`<div class="field"><label for="say-text">${label}</label><textarea id="say-text" name="text" required>
${text}</textarea></div>`;
  const content = [hiddenChoice(choice, KEPT), hidden({ form: own }), area];
  const send = html`<div class="buttons"><button class="first">${own === "messages" ? "Send" : "Continue"}</button></div>`;
  return html`${form("/try/say", [...content, send], html`data-stream="${id}"`)}<p class="said-text" id="${id}" data-kept role="log" aria-live="polite" aria-label="The answer as it comes"></p>`;
}

const forgetPart = (choice: Choice): Markup =>
  form(
    "/try/forget",
    [hiddenChoice(choice), hidden({ form: formOf(choice) }), html`<button id="forget">Begin again</button>`],
    html`class="inline"`,
  );

/** The settings in a form. What is wrong with them the generation says. */
function settingsIn(sent: Form): ModelGenerateSettings {
  const given = Object.keys(NUMBERS).flatMap((key) => {
    const value = sent.optional(key) ?? (key === "maxNewTokens" ? TOKENS : undefined);
    return value === undefined ? [] : [[key, Number(value)] as const];
  });
  return Object.fromEntries(given);
}

const formIn = (sent: Form): TalkForm => FORMS.find((one) => one === sent.all("form").at(-1)) ?? "messages";

/** Begins the talks of a form's models again. */
export function forget(studio: Studio, sent: Form): undefined {
  const choice = choiceOfForm(studio, sent);
  if (choice) studio.talks.forget(talkersOf(choice), formIn(sent));
}

/** Answers a form with what the models say, as it comes. */
export async function say(c: Context, studio: Studio): Promise<Response> {
  const sent = new Form(await c.req.text());
  const choice = choiceOfForm(studio, sent);
  const { talks } = studio;
  return streamText(c, async (stream) => {
    if (!choice) return;
    const talkers = talkersOf(choice);
    let last = talkers.length > 1 ? "" : nameOf(talkers[0]!);
    stream.onAbort(() => talks.stop());
    try {
      sent.required("text", "a text");
      const said = {
        form: formIn(sent),
        text: sent.text("text").replaceAll("\r\n", "\n"),
        system: sent.optional("system"),
        settings: settingsIn(sent),
      };
      await talks.say(talkers, said, async (piece) => {
        if (piece.model !== last) await stream.write(`${last === "" ? "" : "\n\n"}${piece.model}: `);
        last = piece.model;
        if ("text" in piece) await stream.write(piece.text);
        else if ("error" in piece) await stream.write(piece.error);
      });
    } catch (error) {
      if (!(error instanceof BidoraError)) throw error;
      await stream.write(error.message);
    }
  });
}
