import { oneLine } from "../common/messages.js";
import type { DownloadProgress } from "../io/hub/snapshot.js";
import type { Output } from "./output.js";
import type { ProgressStream } from "./progress.js";
import { stderr } from "./streams.js";

/** What a download shows: notes as lines and, on a terminal, one line that counts megabytes. */
export function downloadHooks(output: Output, stream: ProgressStream = stderr) {
  return {
    onNote: output.note,
    onProgress: ({ file, receivedBytes, totalBytes }: DownloadProgress): void => {
      if (output.quiet || !stream.isTTY) return;
      const end = receivedBytes >= totalBytes ? "\n" : "";
      stream.write(`\r\u001b[K${megabytes(receivedBytes)} of ${megabytes(totalBytes)} MB  ${oneLine(file)}${end}`);
    },
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
