/** A number with at most four significant digits, in decimal or scientific notation. */
export function formatNumber(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    return value
      .toExponential(3)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e")
      .replace("-", "−")
      .replace("e-", "e−");
  }
  const digits = size >= 1000 ? 0 : size >= 1 ? 3 : 4;
  return value.toFixed(digits).replace("-", "−");
}

/** An integer with thousands separators. (The first toLocaleString of a process takes 10 ms.) */
export const formatCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

/** A duration: `3.2 s`, `4 min 5 s`, `2 h 3 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Memory in MiB, or in GiB from 10 GiB. */
export function formatBytes(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  if (mebibytes < 10_240) return `${formatCount(Math.round(mebibytes))} MiB`;
  return `${(mebibytes / 1024).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} GiB`;
}

/** A camelCase key as words: `matthewsCorrelation` becomes "Matthews correlation", `microF1` becomes "Micro F1". */
export function words(key: string): string {
  const spaced = key
    .replace(/[_-]+/g, " ")
    .replace(/([a-z0-9])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`)
    .replace(/\bf(\d)\b/g, "F$1");
  const started = spaced.charAt(0).toUpperCase() + spaced.slice(1);
  return started.replace(/\b(ndcg|mrr|map)(?=@)/gi, (name) =>
    name.toLowerCase() === "ndcg" ? "nDCG" : name.toUpperCase(),
  );
}

/** A camelCase key in kebab case: `macroF1` becomes "macro-f1". */
export const kebabCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Date and time to the minute, in UTC. */
export function formatTime(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** Arguments quoted for a POSIX shell. */
export const shellLine = (words: readonly string[]): string => words.map(quoted).join(" ");

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The first names, and how many more there are. */
export function someOf(names: readonly string[], most: number, what = "", between = ", "): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(between)}${more > 0 ? ` and ${formatCount(more)} more${what}` : ""}`;
}

/** Breaks text at spaces into lines of at most `width` characters, if no word is longer. @param first indents the first line */
export function wrap(text: string, width: number, indent = "", first = indent): string[] {
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length + word.length + 1 > width) {
      lines.push(line);
      line = indent;
    }
    line += line.trim() === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
