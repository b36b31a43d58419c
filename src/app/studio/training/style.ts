/** What the screens Train and Compare have besides the common style sheet. */
export const css = `.start{margin-top:14px}
.start .field{max-width:420px}
.failure{margin:10px 0;padding:10px 14px;border-left:4px solid var(--alert-rule);background:var(--alert);overflow-wrap:anywhere}
.failure p{margin:0 0 4px}
.queue{list-style:decimal;padding-left:22px}
.queue .buttons{margin:6px 0 0}
.rows a[aria-current]{font-weight:700}
.link{margin:0;align-self:center}
.remove{margin:0;flex-basis:100%}
.remove p{margin:6px 0}
#run .facts{margin:10px 0}
fieldset{margin:0 0 16px;padding:0;border:0;min-width:0}
legend{font-weight:600;margin-top:10px;font-size:14px;padding:0;margin-bottom:4px}
.checks{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:6px 22px;font-size:15px}
.checks label{overflow-wrap:anywhere;padding-left:24px;text-indent:-24px}
.checks .help{margin:0}
#more-methods .field{margin-top:10px}
#costs .facts{margin-bottom:14px}
iframe{width:100%;height:80vh;border:1px solid var(--rule);border-radius:8px;background:var(--page)}
#run .scroll+.facts{margin-top:14px}
`;
