/** One setting: its input, what it does, its default, and a button back to it. */
import { flagOf } from "../../../base/settings/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { button, choiceField, form, hidden, textField } from "../page.js";
import type { Form } from "../screen.js";
import { inputKind, labelOf, shownWord } from "./inputs.js";
import type { Setting } from "./settings.js";

/** @param refused a form that was refused: its text is shown again */
export function settingField(setting: Setting, refused: Form | undefined): Markup {
  const { key, option, isGiven, only, usual } = setting;
  if (only !== undefined) return idleSetting(setting);
  const typed = refused?.optional("setting") === key ? refused.text(key) : undefined;
  const reset = isGiven
    ? button(
        "/train/reset",
        `Reset ${labelOf(key).toLowerCase()} to ${shownWord(usual)}`,
        { setting: key },
        `reset-${key}`,
      )
    : undefined;
  return html`<div class="setting${isGiven ? " given" : ""}" id="setting-${key}" data-words="${wordsOf(setting)}">${form("/train/setting", [hidden({ setting: key }), input(setting, typed)], html`data-live`)}${reset}</div>`;
  function input(shown: Setting, again: string | undefined): Markup {
    const parts = { name: key, label: labelOf(key), help: helpOf(shown) };
    const kind = inputKind(option);
    if (kind === "switch" || kind === "choice") {
      const words = (option.words ?? []).map(
        (word) => [word, key === "positiveLabel" ? word : shownWord(word)] as const,
      );
      return choiceField(
        parts,
        [["", `default: ${shownWord(usual)}`], ...words],
        again ?? (isGiven ? shown.value : ""),
      );
    }
    return textField(parts, again ?? shown.value, attributes(setting, kind, again));
  }
}

function attributes({ option, usual }: Setting, kind: "number" | "text", typed: string | undefined): Markup {
  const mode = kind === "number" ? (option.placeholder === "N" ? "numeric" : "decimal") : "text";
  const invalid = typed === undefined ? undefined : html` aria-invalid="true"`;
  return html`type="text" inputmode="${mode}" autocomplete="off" spellcheck="false" placeholder="${usual}"${invalid}`;
}

/** What it does, what it takes if that is not in sight, and its default. */
function helpOf({ key, option, isGiven, usual }: Setting): string {
  const takes = inputKind(option) === "text" ? ` Takes ${option.takes}.` : "";
  const state = isGiven ? `Set in run.yaml; default: ${shownWord(usual)}.` : `Default: ${shownWord(usual)}.`;
  return `${sentence(option.help)}${takes} ${state} ${flagOf(key)}`;
}

/** A setting without effect: what would give it one. */
const idleSetting = (setting: Setting): Markup =>
  html`<div class="setting idle" id="setting-${setting.key}" data-words="${wordsOf(setting)}"><p><strong>${labelOf(setting.key)}</strong> has no effect now: it applies only ${setting.only}.</p></div>`;

const wordsOf = ({ key, option, value }: Setting): string =>
  [labelOf(key), key, flagOf(key), option.help, option.group, value, ...(option.words ?? [])].join(" ");

const sentence = (help: string): string => `${help.replace(/^[a-z]/, (first) => first.toUpperCase())}.`;
