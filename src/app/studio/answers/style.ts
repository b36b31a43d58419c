/** What the screen Try adds to the style sheet. */
export const css = `
fieldset.models{border:1px solid var(--rule);border-radius:10px;padding:8px 14px;margin:14px 0;display:flex;flex-wrap:wrap;gap:4px 22px;align-items:baseline}
fieldset.models legend{font-weight:600;font-size:14px;padding:0 6px}
fieldset.models p{margin:0}
.box{display:inline-block}
.others,.held{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline}
.others ul{display:flex;flex-wrap:wrap;gap:2px 12px;list-style:none;margin:0;padding:0;font-size:14px}
.others p,.held p{margin:0}
.others{margin:12px 0}
#talk .columns{margin-bottom:14px}
.asked{display:grid;gap:12px}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:14px}
.column{border:1px solid var(--rule);border-radius:10px;background:var(--card);padding:4px 16px 14px;min-width:0;overflow-wrap:anywhere}
.column h3{margin:10px 0 6px}
.said{font-size:19px;font-weight:600;margin:4px 0 10px;overflow-wrap:anywhere}
.said-text,.marked{white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
.bars{list-style:none;margin:0;padding:0}
.bars li{display:grid;grid-template-columns:1fr auto;gap:2px 12px;margin:0 0 9px;overflow-wrap:anywhere}
.bars .bar{grid-column:1/-1;height:7px;border-radius:4px;background:var(--rule);overflow:hidden}
.bars .bar span{display:block;height:100%;background:var(--link)}
.value{font-variant-numeric:tabular-nums;font-weight:400;color:var(--soft);font-size:15px}
.place{color:var(--soft);font-size:13px;margin:4px 0 0}
mark{background:none;color:inherit;text-decoration:underline 2px;text-decoration-color:var(--link);text-underline-offset:3px;font-weight:600}
mark .name{display:inline-block;font-size:12px;font-weight:600;padding:0 6px;border:1px solid var(--link);border-radius:9px;color:var(--link);text-decoration:none}
.talk{margin:0}
.talk div{display:block;margin:0 0 10px;padding:7px 12px;border:1px solid var(--rule);border-radius:10px}
.talk .user{background:var(--page)}
.talk dt{font-size:13px;color:var(--soft)}
.talk dd{margin:0;text-align:left;white-space:pre-wrap;overflow-wrap:anywhere}
ol.wrong{padding-left:28px}
ol.wrong li{margin:0 0 14px;padding:0 0 12px;border-bottom:1px solid var(--rule)}
ol.wrong .text{margin:0 0 6px;overflow-wrap:anywhere}
.pages{display:flex;gap:16px;align-items:baseline}
`;
