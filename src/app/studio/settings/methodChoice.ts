/** The methods to choose from, each with its picture and three sentences. */
import { html, type Markup } from "../../../studies/report/index.js";
import { type Method, methodNames } from "../../../tasks/config/index.js";
import { button, form } from "../page.js";
import { MAIN_METHODS, METHOD_FACTS } from "./methodFacts.js";
import { picture } from "./picture.js";

/** @param isGiven whether it stands in run.yaml */
export function methodChoice(chosen: Method, isGiven: boolean): Markup {
  const others = methodNames.filter((name) => !MAIN_METHODS.includes(name));
  const cards = (names: readonly Method[]) =>
    html`<div class="methods">${names.map((name) => card(name, name === chosen))}</div>`;
  const isOpen = others.includes(chosen) ? html` open` : undefined;
  const reset = isGiven ? button("/train/reset", "Reset the method", { setting: "method" }, "reset-method") : undefined;
  const choice = html`<fieldset class="plain"><legend class="hidden">Method</legend>${cards(MAIN_METHODS)}
<details id="more-methods"${isOpen}><summary>More methods</summary>${cards(others)}</details></fieldset>`;
  return html`<section id="method" aria-labelledby="method-title"><h2 id="method-title">Method</h2>
${form("/train/method", [choice], html`data-live`)}
<p class="note">Filled: trained. Hatched: as the pretrained model has it, or drawn at random. Brackets: the level that trains it, where there are two. Each method also trains the head that a task needs.</p>${reset && html`<div class="buttons">${reset}</div>`}</section>`;
}

function card(name: Method, isChosen: boolean): Markup {
  const { name: title, about, formula } = METHOD_FACTS[name];
  const id = `method-${name}`;
  return html`<div class="method"><p><input type="radio" name="method" id="${id}" value="${name}" aria-describedby="${id}-about"${isChosen ? html` checked` : undefined}> <label for="${id}">${title}</label> <code>${name}</code></p>${picture(id, title, formula)}<p id="${id}-about">${about.join(" ")}</p></div>`;
}
