import { darkColours, lightColours } from "./palette.js";

const light = `--page:#f6f6f3;--card:#fff;--ink:#1c1f24;--soft:#5c636e;--grid:#e6e7ea;--rule:#d9dbe0;--alert:#fff1e0;--alert-rule:#d55e00;${lightColours}`;
const dark = `--page:#14161a;--card:#1c1f25;--ink:#e8eaee;--soft:#a3abb8;--grid:#2c313a;--rule:#363c47;--alert:#3a2a18;--alert-rule:#ff8a3d;${darkColours}`;

/** The page's whole style sheet: system fonts, two themes, a narrow screen and paper. */
export const style = `
:root{color-scheme:light dark;${light}}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:960px;margin:0 auto;padding:40px 20px 64px}
header p{margin:4px 0 0;color:var(--soft)}
h1{font-size:28px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;line-height:1.3;margin:0 0 12px}
h3{font-size:13px;font-weight:600;color:var(--soft);margin:0 0 4px;overflow-wrap:anywhere}
figure,section,.alert{margin:20px 0 0;padding:20px 24px;background:var(--card);border:1px solid var(--rule);border-radius:10px}
figcaption{margin-top:10px;color:var(--soft);font-size:14px}
.alert{background:var(--alert);border-color:var(--alert-rule);border-left-width:5px;padding:12px 18px}
.alert p{margin:0;overflow-wrap:anywhere}
.plot{--plot-background:var(--card);width:100%;height:auto;color:var(--ink);overflow:visible}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:20px 24px}
.thirds{grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr))}
.legend{position:sticky;top:0;z-index:1;display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:20px 0 -8px;padding:10px 4px;background:var(--page);font-size:14px;font-weight:600}
.mark{vertical-align:middle;margin-right:4px;overflow:visible}
.depths{display:flex;align-items:center;gap:8px;margin:0 0 12px;font-size:13px;color:var(--soft)}
.depths span{display:inline-flex;border-radius:3px;overflow:hidden}
.depths i{width:18px;height:10px}
.layers{display:flex;flex-wrap:wrap;gap:2px 12px;list-style:none;margin:0 0 8px;padding:0;font-size:13px;color:var(--soft)}
.layers i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:4px;vertical-align:-1px}
.scroll{overflow-x:auto;position:relative}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:13px;font-weight:600;color:var(--soft);padding-bottom:4px}
th,td{padding:7px 0 7px 13px;text-align:right;vertical-align:baseline;border-bottom:1px solid var(--rule)}
th:first-child{text-align:left;padding-left:0;overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
tbody tr:last-child>*{border-bottom:0}
td{white-space:nowrap}
.text td,.text th{text-align:left;white-space:normal;overflow-wrap:anywhere}
tbody th{font-weight:600;min-width:120px}
.figures caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));gap:0 28px;margin:0;font-size:14px}
dl div{display:flex;justify-content:space-between;gap:14px;padding:6px 0;border-bottom:1px solid var(--grid)}
dt{color:var(--soft)}
code{font:.93em ui-monospace,"SF Mono",Menlo,Consolas,monospace}
dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.scroll+h3{margin-top:20px}
details{margin-top:16px;font-size:14px}
summary{cursor:pointer;color:var(--soft)}
details .scroll{margin-top:12px}
footer{margin-top:28px;color:var(--soft);font-size:13px}
:focus-visible{outline:2px solid var(--run-0);outline-offset:2px}
@media (max-width:560px){.scroll>.plot{min-width:600px}.thirds .plot{max-width:400px}main{padding:24px 12px 40px}figure,section{padding:16px 14px}}
@media print{:root{--page:#fff;color-scheme:light}main{max-width:none;padding:0}.legend{position:static}
body{font-size:12px}h1{font-size:20px}h2{font-size:14px}h3,figcaption,table,caption,dl,details,footer,.legend,.depths{font-size:10px}
th,td{padding:4px 0 4px 8px}tbody th{min-width:0}.scroll{overflow:visible}figure,section{padding:12px 14px;margin-top:12px;border-color:#bbb}
.panels{grid-template-columns:1fr 1fr}.thirds{grid-template-columns:1fr 1fr 1fr}
figure,.panel,tr,dl div,.alert{break-inside:avoid}h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`.trim();
