/** Progress of a download. */
export interface DownloadProgress {
  readonly file: string;
  /** Bytes received, over all files of this download. */
  readonly receivedBytes: number;
  /** Bytes of all files known so far; grows once, when an index names the shards. */
  readonly totalBytes: number;
}

/** How a call is ended, and what it tells meanwhile. Made once, by the command line or the library's function, and passed down. */
export interface CallContext {
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of a download, several times a second. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Called with a sentence for the user, such as that the cached copy is used because the Hub can't be reached. */
  readonly onNote?: ((note: string) => void) | undefined;
}
