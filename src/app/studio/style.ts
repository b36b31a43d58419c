/** The studio's style sheet: that of the reports, and what screens have besides. */

import { style } from "../../studies/report/index.js";
import { css as answers } from "./answers/style.js";
import { css as data } from "./data/style.js";
import { css as exports } from "./exports/style.js";
import { css as model } from "./model/style.js";
import { css as settings } from "./settings/style.js";
import { css as runs } from "./training/style.js";

export const styleSheet = `${style}
body{max-width:1200px;padding-top:12px}
.top{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 24px;border-bottom:1px solid var(--rule);padding-bottom:8px}
.brand{font-weight:700;color:var(--ink)!important;margin:0!important}
.brand span{font-weight:400;color:var(--soft);margin-left:6px}
.top nav ol{display:flex;flex-wrap:wrap;gap:2px 4px;margin:0;padding:0;list-style:none;counter-reset:step;font-size:15px}
.top nav li{counter-increment:step}
.top nav a{display:inline-block;padding:5px 10px;border-radius:7px;text-decoration:none;color:var(--ink)}
.top nav a::before{content:counter(step) " ";color:var(--soft)}
.top nav a[aria-current]{background:var(--link);color:var(--card)}
.top nav a[aria-current]::before{color:inherit}
main h1{margin-top:22px}
.about{color:var(--soft);margin:4px 0 0}
.problem{margin:16px 0 0;padding:12px 18px;background:var(--alert);border:1px solid var(--alert-rule);border-left-width:5px;border-radius:10px;overflow-wrap:anywhere}
.command h2{font-size:14px;color:var(--soft)}
.code{display:flex;gap:10px;align-items:flex-start}
.code pre{flex:1;min-width:0;margin:0;padding:10px 12px;overflow-x:auto;background:var(--page);border:1px solid var(--rule);border-radius:8px;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
form.inline{display:inline-block;margin:0 8px 0 0}
.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:14px 22px;align-items:start}
.field label{display:block;font-size:14px;font-weight:600;margin-bottom:3px}
.help{margin:3px 0 0;font-size:13px;color:var(--soft)}
input:not([type=checkbox],[type=radio],[type=range]),select,textarea{width:100%;padding:7px 9px;font:inherit;font-size:15px;color:var(--ink);background:var(--card);border:1px solid var(--soft);border-radius:6px}
textarea{min-height:90px;resize:vertical}
button.first{background:var(--link);border-color:var(--link);color:var(--card);font-weight:600}
.buttons{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0 0}
.work{margin:14px 0 0;padding:10px 14px;background:var(--card);border:1px solid var(--rule);border-radius:10px}
.work p{margin:0 0 6px;overflow-wrap:anywhere}
.work progress{width:100%}
.work.failed{border-color:var(--alert-rule)}
.facts{display:flex;flex-wrap:wrap;gap:8px 28px;margin:0}
.facts div{min-width:0}
.facts dt{font-size:13px;color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.empty p{margin:0}
[hidden]{display:none!important}
@media (max-width:640px){.top nav a{padding:5px 7px}.code{flex-direction:column}}
${data}${model}${settings}${runs}${answers}${exports}`;
