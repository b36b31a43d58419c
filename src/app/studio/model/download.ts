/** Models of the Hub: downloaded by `bidora download` as a work. */
import { BidoraError, type DownloadProgress, formatBytes, oneLine } from "../../../base/index.js";
import type { Studio } from "../workspace.js";

/** The name of the work. */
export const DOWNLOAD = "download";

/** `org/name` or `name`, as the Hub has them. */
const REPOSITORY = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

type DownloadEvent = DownloadProgress & { readonly event: "download" };

const isDownloadEvent = (value: unknown): value is DownloadEvent =>
  (value as Partial<DownloadEvent> | null)?.event === "download";

/** Downloads a model, and makes it the next run's. @throws BidoraError `STUDIO` for what is no name of a repository */
export function startDownload(studio: Studio, name: string): void {
  if (!REPOSITORY.test(name) || name.includes("--") || name.includes(".."))
    throw new BidoraError("STUDIO", `A model of the Hub has a name like org/name; got ${oneLine(name)}.`);
  void studio.works.start(DOWNLOAD, `Download of ${name}`, async ({ signal, report }) => {
    signal.throwIfAborted();
    const running = studio.commands.start(["download", name], {
      onValue(value) {
        if (!isDownloadEvent(value)) return;
        const { file, receivedBytes, totalBytes } = value;
        const message = `${formatBytes(receivedBytes)} of ${formatBytes(totalBytes)}, ${file}`;
        report({ share: totalBytes > 0 ? receivedBytes / totalBytes : undefined, message });
      },
      onNote: (message) => report({ message }),
    });
    signal.addEventListener("abort", running.stop, { once: true });
    await running.done;
    studio.news.changed("models");
    studio.runFile.change({ model: name });
    return `${name} is the model of the next run now.`;
  });
}
