/** The Penn Treebank's tokenizer, as pycocoevalcap runs it. */
/** Rewriting steps before the text is split. */
const BEFORE: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/[\r\n]+/g, " "],
  [/\u00ad/g, ""],
  [/&amp;/gi, "&"],
  [/&lt;/gi, " < "],
  [/&gt;/gi, " > "],
  [/&quot;/gi, '"'],
  // Contractions: don't → do n't, it's → it 's.
  [/(?<=[\p{L}\p{Nd}])(n)['’](t)(?![\p{L}\p{Nd}])/giu, " $1'$2"],
  [/(?<=[\p{L}\p{Nd}])['’](s|m|d|re|ve|ll)(?![\p{L}\p{Nd}])/giu, " '$1"],
  [/(?<![\p{L}\p{Nd}])['’](t)(is|was)(?![\p{L}\p{Nd}])/giu, "'$1 $2"],
  // Words that the Penn Treebank splits in two.
  [
    /(?<![\p{L}\p{Nd}'’-])(can(?=not)|gon(?=na)|wan(?=na)|got(?=ta)|lem(?=me)|gim(?=me))(not|na|ta|me)(?![\p{L}\p{Nd}-])/giu,
    "$1 $2",
  ],
  [/(?<![\p{L}\p{Nd}])(y['’])(all)(?![\p{L}\p{Nd}])/giu, "$1 $2"],
  [/(?<=\p{L})['’]n['’](?=\p{L})/giu, " 'n' "],
];

const ABBREVIATIONS =
  "mrs?|ms|drs?|profs?|ste?|ave|blvd|rd|sq|ct|mt|ft|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu|thurs|fri|" +
  "inc|cos?|corp|ltd|plc|bros|jr|sr|esq|vs|etc|est|al|cf|dept|univ|assn|rev|hon|gen|col|maj|sgt|cpl|pvt|capt|lt|lieut|" +
  "cmdr|adm|gov|sen|rep|pres|messrs|atty|det|brig|tel|ext|ph\\.d|ed\\.d|intl|natl|mfg|pty|cie|supt|pfc|spc|alex|wm|jos|" +
  "calif|fla|ga|va|conn|minn|wis|ind|mich|ariz|colo|mo|md|nev|okla|tenn|wyo|ala|penn|kan|neb|dak";

/** Words that start a sentence: before them, a single letter with a full stop ends a sentence and is no abbreviation. */
const STARTS =
  "A|About|According|Additionally|After|An|As|At|But|Earlier|He|Her|Here|However|If|In|It|Last|Many|More|Mr\\.|Ms\\.|Now|" +
  "Once|One|Other|Our|She|Since|So|Some|Such|That|The|Their|Then|There|These|They|This|We|What|When|While|Yet|You";

/** Patterns of single words. The longest match wins, and the first of equally long ones. */
const RULES: readonly RegExp[] = [
  // Markup tags, addresses, handles and hashtags, emoticons.
  /<\/?[a-z][a-z0-9]*\/?>/iy,
  /https?:\/\/[^\s"<>|()]+[^\s"<>|().!?,;:-]/iy,
  /(?:www\.(?:[^\s`"<>|.!?(){},]+\.)+[a-z]{2,4}|(?:[^\s`"<>|.!?(){},/]+\.)+(?:com|net|org|edu))(?:\/[^\s`"<>|()]+[^\s`"<>|().!?(){},-])?/iy,
  /[a-z0-9][^\s"<>|(){}]*@(?:[^\s"<>|(){}.]+\.)*[^\s"<>|(){}.,;:!?]+/iy,
  /[@#][a-z_][a-z0-9_]*/iy,
  /[<>]?[:;=][-o*']?[()DPdp[\]](?![a-z])/iy,
  /\^_\^/y,
  // Abbreviations with their full stop: known ones, letters each with a full stop, any word before a comma or semicolon, …
  new RegExp(`(?:${ABBREVIATIONS})\\.(?![\\p{L}\\p{Nd}])`, "iuy"),
  /(?:[a-z]\.)+[a-z]\.(?![\p{L}\p{Nd}])/iuy,
  /(?:Mass|Pa|Wash|Ill|Tex|Del|La|Ore|Ark|Miss)\.(?![\p{L}\p{Nd}])/uy,
  /[\p{L}\p{M}\p{Nd}]*\p{L}[\p{L}\p{M}\p{Nd}]*\.(?=[,;])/uy,
  /(?:nos?|pp|figs?|op|ca)\.(?=\s?\d)/iy,
  new RegExp(`[A-Za-z]\\.(?!\\p{L}|\\s+(?:${STARTS})(?!\\p{L}))`, "uy"),
  // Words, also with inner hyphens, slashes and full stops.
  /\p{L}[\p{L}\p{M}\p{Nd}]*(?:[_.!?]\p{L}[\p{L}\p{M}\p{Nd}]*)*/uy,
  /[dol]['’]\p{L}[\p{L}\p{M}\p{Nd}]*(?:-[\p{L}\p{M}\p{Nd}]+)*/iuy,
  /(?:qu['’]\p{L}+|c['’]mon|ne['’]er|e['’]er|ma['’]am|o['’]er)(?!\p{L})/iuy,
  /['’](?:em|n['’]|til|cause|\d\ds)(?![\p{L}\p{Nd}])/iuy,
  /[\p{L}\p{M}\p{Nd}]+(?:-(?:[dol]['’]\p{L})?[\p{L}\p{M}\p{Nd}]+)*/iuy,
  /[a-z0-9][a-z0-9.,]*(?:-[a-z0-9]+)+/iy,
  /[a-z0-9]+(?:-[a-z]+){0,2}(?:\/[a-z0-9]+(?:-[a-z]+){0,2}){1,2}/iy,
  /[A-Za-z](?:\+\+|#(?![A-Za-z]))|[A-Z]&[A-Z]|[Aa][Tt]&[Tt]|[Yy]['’](?=\s)/y,
  // Clitics that were split off.
  /n['’]t|['’](?:s|m|d|re|ve|ll|t)(?![\p{L}\p{Nd}])/iuy,
  // Numbers, money.
  /[-+]?(?:\d*(?:[.:,]\d+)+|\d+)/y,
  /US\$|(?:A|C|HK|NZ)\$(?=\d)/y,
  // Punctuation.
  /[?!]+|\.{3,}|\. \. \.|…|-+|[–—―]|\*+|<<|>>|[«»“”„]/y,
  /[\u0021-\uffff]/y,
];

/** The Penn Treebank's spelling of some characters, in lower case. */
const WRITTEN = new Map([
  ["(", "-lrb-"],
  [")", "-rrb-"],
  ["[", "-lsb-"],
  ["]", "-rsb-"],
  ["{", "-lcb-"],
  ["}", "-rcb-"],
  ["£", "#"],
  ["€", "$"],
  ["¢", "cents"],
  ["½", "1/2"],
  ["¼", "1/4"],
  ["¾", "3/4"],
  ["⅓", "1/3"],
  ["⅔", "2/3"],
]);

/** The punctuation that pycocoevalcap removes. Brackets stay, since it lists them in upper case. */
const LEFT_OUT = /^(?:[.?!,:;'"`«»“”‘’‛‐‑…]|``|''|-+|[–—―]|\.{3,}|\. \. \.)$/u;

/** Characters beyond the basic plane (emoji), joiners, private and unassigned ones are not words, but separate words. */
const NO_WORD = /^[\p{C}\ud800-\udfff]$/u;

/**
 * The words of a text in lower case, without most punctuation, as pycocoevalcap's `PTBTokenizer`, which runs Stanford's tokenizer
 * (CoreNLP 3.4.1) and removes punctuation. Line breaks count as spaces. Of the 49 790 texts of the E2E data set one differs: for a
 * single letter with a full stop at a line's end, Stanford's looks at the next line. Not implemented: telephone numbers with
 * brackets, tags with attributes, a backquote as an apostrophe.
 */
export function ptbWords(text: string): string[] {
  const prepared = BEFORE.reduce((done, [pattern, replacement]) => done.replace(pattern, replacement), text);
  const words: string[] = [];
  for (let at = 0; at < prepared.length; ) {
    const found = longest(prepared, at);
    at += Math.max(1, found.length);
    if (found !== "" && !LEFT_OUT.test(found) && !NO_WORD.test(found)) words.push(written(found));
  }
  return words;
}

function longest(text: string, at: number): string {
  let best = "";
  if (/\s/.test(text[at]!)) return best;
  for (const rule of RULES) {
    rule.lastIndex = at;
    const found = rule.exec(text)?.[0] ?? "";
    if (found.length > best.length) best = found;
  }
  return best;
}

function written(word: string): string {
  return (
    WRITTEN.get(word) ??
    word
      .toLowerCase()
      .replaceAll("’", "'")
      .replace(/[()]/g, (mark) => WRITTEN.get(mark)!)
  );
}
