/** The style of the screen of rows. */
export const css = `
.drop{padding:18px;border:2px dashed var(--soft);border-radius:10px;text-align:center}
.drop.over{border-color:var(--link);background:var(--page)}
.drop label{display:block;font-weight:600;margin-bottom:6px}
.drop label.choice,.choice{display:block;font-size:14px;font-weight:400;margin:8px 0 0}
.drop input[type=file]{width:auto;max-width:100%;border:0;background:none}
.files ul{display:flex;flex-wrap:wrap;gap:4px 18px;margin:16px 0 0;padding:0;list-style:none;font-size:15px}
.files a[aria-current]{font-weight:700;color:var(--ink)}
.files li{overflow-wrap:anywhere}
.mark{padding:1px 7px;border:1px solid var(--rule);border-radius:9px;font-size:12px;font-weight:600;color:var(--soft)}
.reasons{margin:6px 0 10px;padding-left:20px;font-size:14px}
.boxes{margin:14px 0 0;padding:8px 14px;border:1px solid var(--rule);border-radius:8px}
.boxes legend{font-size:14px;font-weight:600;padding:0 4px}
.boxes label{display:block;font-size:14px}
.filters{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr));gap:14px 28px;margin:10px 0 14px}
.filter{min-width:0}
.filter ul{display:block;margin:0;padding:0;list-style:none;font-size:14px}
.filter a{position:relative;display:flex;gap:8px;justify-content:space-between;padding:2px 6px;border-radius:5px;overflow-wrap:anywhere}
.filter a[aria-current]{outline:2px solid var(--link)}
.filter .count{color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
.filter .bar{position:absolute;left:0;bottom:0;height:3px;background:var(--link);border-radius:2px}
.lengths svg{display:block;width:100%;max-width:420px;height:auto}
.lengths rect{fill:var(--link)}
.lengths text{fill:var(--soft);font:11px system-ui,sans-serif}
.rows-box{position:relative;height:min(70vh,560px);overflow:auto;border:1px solid var(--rule);border-radius:8px;background:var(--card)}
.rows-box table{position:absolute;left:0;top:0;min-width:100%;table-layout:auto;border-collapse:separate;border-spacing:0}
.rows-box th,.rows-box td{height:34px;max-width:520px;padding:0 12px;text-align:left;vertical-align:middle;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;line-height:20px}
.rows-box tr{height:34px}
.rows-box th:first-child{width:1%}
.rows-box thead th{position:sticky;top:0;z-index:1;background:var(--card);box-shadow:0 1px 0 var(--rule)}
#columns h3{margin-top:14px}
#split .fields,#row .field{margin-top:12px}
#row textarea{min-height:40px}
@media (max-width:640px){.rows-box th,.rows-box td{max-width:260px}}
`;
