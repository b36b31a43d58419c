/** The form of a comparison: methods, seeds, learning rates to try, a margin. */
import { html, type Markup } from "../../../studies/report/index.js";
import { METHODS, type Method, methodNames } from "../../../tasks/config/index.js";
import { choiceField, hidden, textField } from "../page.js";
import { MAIN_METHODS } from "../settings/methodFacts.js";
import type { ComparisonFields } from "./asked.js";

/** @param pilots names of comparisons with runs @param shown the comparison that the page shows, which it still shows after a change */
export function askPart(fields: ComparisonFields, pilots: readonly string[], shown: string | undefined): Markup {
  const { name, methods, variants, seeds, rates, margin, pilot } = fields;
  const others = methodNames.filter((method) => !MAIN_METHODS.includes(method));
  const isOpen = variants.trim() !== "" || others.some((method) => methods.includes(method));
  const content = [
    shown === undefined ? undefined : hidden({ show: shown }),
    html`<fieldset><legend>Methods</legend><div class="checks">${MAIN_METHODS.map((method) => check(method, methods))}</div>
<details id="more-methods"${isOpen ? html` open` : undefined}><summary>More methods</summary><div class="checks">${others.map((method) => check(method, methods))}</div>
${textField({ name: "variants", label: "Variants", help: "Names separated by commas, such as lora+es or lora+pissa." }, variants, PLAIN)}</details></fieldset>`,
    html`<div class="fields">${[
      textField(
        { name: "seeds", label: "Seeds", help: "Each method is trained once with each seed. Tests need at least 2." },
        seeds,
        html`type="number" min="1" max="100" required`,
      ),
      textField(
        {
          name: "rates",
          label: "Learning rates to choose from",
          help: "Each method gets its best one, on held-out training rows. Empty: that of the settings.",
        },
        rates,
        PLAIN,
      ),
      textField(
        {
          name: "margin",
          label: "Margin",
          help: "A difference of the main metric that does not matter: tests then say also which methods are equally good.",
        },
        margin,
        html`inputmode="decimal" autocomplete="off"`,
      ),
      pilots.length > 0 ? pilotField(pilots, pilot) : undefined,
      textField({ name: "name", label: "Name", help: `The runs will be in comparisons/${name}.` }, name, PLAIN),
    ].filter((part) => part !== undefined)}</div>`,
  ];
  return html`<section id="ask" aria-labelledby="ask-title"><h2 id="ask-title">A new comparison</h2><p class="help">All other settings are those of <a href="/train">Train</a>.</p>${getForm(content)}</section>`;
}

/** Its address has what is asked, so that a reload keeps it. */
const getForm = (content: readonly (Markup | undefined)[]): Markup =>
  html`<form method="get" action="/compare" data-live>${content}</form>`;

const PLAIN = html`autocomplete="off" spellcheck="false"`;

const pilotField = (pilots: readonly string[], pilot: string): Markup =>
  choiceField(
    {
      name: "pilot",
      label: "How much scores vary",
      help: "From the runs of an earlier comparison on the same task: which difference this one can show.",
    },
    [["", "not known"], ...pilots.map((name) => [name, `as in ${name}`] as const)],
    pilot,
  );

const check = (method: Method, chosen: readonly string[]): Markup =>
  html`<label><input type="checkbox" name="methods" value="${method}"${chosen.includes(method) ? html` checked` : undefined}> <strong>${method}</strong> <span class="help">${METHODS[method].about}</span></label>`;
