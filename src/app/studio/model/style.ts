/** The style of the screens Model and Mask. */
export const css = `
.models{list-style:none;margin:12px 0 0;padding:0}
.models li{display:flex;flex-wrap:wrap;align-items:center;gap:4px 16px;padding:8px 0;border-top:1px solid var(--rule)}
.models li>span{flex:1 1 220px;min-width:0;overflow-wrap:anywhere}
.models small{color:var(--soft);font-size:13px}
.models .chosen{font-weight:700}
.line{display:flex;flex-wrap:wrap;gap:8px;align-items:end;max-width:620px;margin-top:12px}
.line .field{flex:1 1 240px}
.memory-text{margin:0 0 8px}
.memory{height:16px;border:1px solid var(--soft);border-radius:8px;overflow:hidden;background:var(--page);margin:0 0 14px}
.memory div{height:100%;min-width:3px;background:var(--link)}
.memory.over div{background:repeating-linear-gradient(45deg,var(--alert-rule) 0 8px,var(--card) 8px 12px)}
section .problem{margin-top:12px}
`;
