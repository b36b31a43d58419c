/** The style of the settings. */
export const css = `
fieldset.plain{margin:0;padding:0;border:0;min-width:0}
.methods{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,265px),1fr));gap:12px}
.method{position:relative;padding:12px 14px;border:1px solid var(--rule);border-radius:10px;font-size:14px}
.method:has(:checked){border-color:var(--link);box-shadow:inset 0 0 0 1px var(--link)}
.method:focus-within{outline:2px solid var(--link);outline-offset:2px}
.method p{margin:0}
.method input{position:relative;z-index:1}
.method label{font-size:16px;font-weight:700}
.method label::after{content:"";position:absolute;inset:0}
.method code{color:var(--soft);margin-left:4px}
.method-picture{display:block;max-width:100%;height:auto;margin:8px 0 2px}
.method-picture text{font:600 13px system-ui,sans-serif;text-anchor:middle;fill:var(--ink)}
.method-picture text.sign{font-weight:400}
.method-picture text.trained{fill:var(--card)}
.method-picture text:is(.frozen,.random){paint-order:stroke;stroke:var(--card);stroke-width:5px}
.method-picture text.level{font-size:11px;font-weight:400}
.method-picture rect{stroke:var(--soft)}
.method-picture rect.random{stroke-dasharray:4 3}
.method-picture rect.trained{fill:var(--link);stroke:var(--link)}
.method-picture .hatch{stroke:var(--soft);stroke-width:1}
.method-picture path.level{fill:none;stroke:var(--soft)}
.setting.given label{color:var(--link)}
.setting.given label::after{content:" · set"}
.setting form.inline{margin:6px 0 0}
.setting.idle{font-size:14px;color:var(--soft)}
.setting.idle p{margin:0}
.setting input[aria-invalid]{border-color:var(--alert-rule);border-width:2px}
.setting-groups h3{font-size:15px;color:var(--ink);margin:22px 0 10px}
.setting-groups .fields+details{margin-top:12px}
.search{max-width:420px}
`;
