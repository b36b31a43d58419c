// The GNU C library of this process.

let header: { readonly glibcVersionRuntime?: string } | undefined;

/** The version of the GNU C library that runs this process; undefined with another C library. Node's report takes 10 ms. */
export function glibcVersion(): string | undefined {
  header ??= (reportWithoutNetwork() as { header: { glibcVersionRuntime?: string } }).header;
  return header.glibcVersionRuntime;
}

/** By default Node looks up the names of all hosts that this process is connected to, and waits for each. */
function reportWithoutNetwork(): object {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    return report.getReport();
  } finally {
    if (before !== undefined) report.excludeNetwork = before;
  }
}

/** Whether a version such as 2.36 is older than another. */
export function isOlder(version: string, wanted: string): boolean {
  const [[major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]] = [numbersOf(version), numbersOf(wanted)];
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

const numbersOf = (version: string): number[] => version.split(".").map(Number);

/** Whether this is a Linux with another C library, which is musl in practice. */
export const isMusl = (): boolean => process.platform === "linux" && glibcVersion() === undefined;
