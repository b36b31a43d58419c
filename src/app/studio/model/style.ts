/** The style of the screens Model and Mask. */
export const css = `
.models{list-style:none;margin:12px 0 0;padding:0}
.models li{display:flex;flex-wrap:wrap;align-items:center;gap:4px 16px;padding:8px 0;border-top:1px solid var(--rule)}
.models li>span{flex:1 1 220px;min-width:0;overflow-wrap:anywhere}
.models small{color:var(--soft);font-size:13px}
.models .chosen{font-weight:700}
.line{display:flex;flex-wrap:wrap;gap:8px;align-items:start;max-width:620px;margin-top:14px}
.line .field{flex:1 1 240px}
.line>button{margin-top:24px;padding:8px 14px}
#choose h3{font-size:15px;color:var(--ink);margin:22px 0 0}
.memory-text{margin:0 0 8px}
.memory{height:16px;border:1px solid var(--soft);border-radius:8px;overflow:hidden;background:var(--page);margin:0 0 14px}
.memory div{height:100%;min-width:3px;background:var(--link)}
.memory.over div{background:repeating-linear-gradient(45deg,var(--alert-rule) 0 8px,var(--card) 8px 12px)}
.row-shown{padding:12px 0;border-top:1px solid var(--rule)}
.row-shown h3{font-size:14px}
.row-shown h3 .target{color:var(--ink)}
.tokens{margin:4px 0 0;white-space:pre-wrap;overflow-wrap:anywhere;font:14px/1.7 ui-monospace,SFMono-Regular,Menlo,monospace}
.tokens mark,.legend-line mark{color:var(--ink);background:color-mix(in srgb,var(--link) 22%,transparent);text-decoration:underline 2px var(--link);text-underline-offset:4px;border-radius:2px}
.labeled{line-height:2.9}
.labeled mark{display:inline-block;text-decoration:none;border-bottom:2px solid var(--link);line-height:1.3;vertical-align:top;margin-top:6px}
.labeled mark small{display:block;font:11px system-ui,sans-serif;color:var(--soft);text-align:center;text-decoration:none}
.labeled>span{vertical-align:top}
.part-name{font:600 12px system-ui,sans-serif;color:var(--soft);margin-right:6px}
.cut{display:inline-block;margin-left:6px;padding:0 8px;border:1px dashed var(--alert-rule);border-radius:6px;font:13px system-ui,sans-serif;white-space:nowrap}
.cut:first-child{margin-left:0}
.rows-choice{display:inline-block;min-width:160px;margin:16px 0 0}
section .problem{margin-top:12px}
`;
