/** What the screen Take it along adds to the style sheet. */
export const css = `
a.button{display:inline-block;padding:6px 14px;border:1px solid var(--link);border-radius:7px;text-decoration:none;overflow-wrap:anywhere}
#field-run{max-width:420px}
.exports{list-style:none;margin:0;padding:0}
.export{margin:0 0 14px;padding:2px 18px 14px;border:1px solid var(--rule);border-radius:10px;background:var(--card)}
.export .buttons{align-items:center}
.export h3{overflow-wrap:anywhere}
details.remove summary{cursor:pointer;padding:6px 4px}
button:disabled{opacity:.75;cursor:not-allowed}
.column fieldset.models{padding:6px 12px}
.column .field{margin:8px 0}
`;
