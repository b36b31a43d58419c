import { BidoraError } from "./errors.js";

/** In words, with what to do, where the system's own are not plain. */
const REASONS: Readonly<Partial<Record<string, string>>> = {
  ENOSPC: "the disk is full; make room there, then run the command again",
  EDQUOT: "the disk quota is used up; make room there, then run the command again",
  EFBIG: "the file grows larger than this system allows; raise the limit (ulimit -f), or write elsewhere",
  EROFS: "the file system is read-only; write elsewhere",
  EACCES: "this user may not write there; change its permissions, or write elsewhere",
  ENOTDIR: "a part of the path is a file, where a folder is expected; write elsewhere",
  EEXIST: "a file of that name is there; write elsewhere",
  ENOENT: "its folder is gone; run the command again",
  EIO: "the disk reports an error; check it, or write elsewhere",
};

const WRITING = /^(write|open|stat|mkdir|mkdtemp|rename|fsync|ftruncate|copyfile)$/;

/** How the native bridge says it. */
const NATIVE = /could not write the file: (.*)\.$/;
const NATIVE_CODES: Readonly<Partial<Record<string, string>>> = {
  "No space left on device": "ENOSPC",
  "Disk quota exceeded": "EDQUOT",
  "File too large": "EFBIG",
  "Input/output error": "EIO",
};

/** The sentence for a write that the system refused, which names the path; any other error as it is. */
export function writeFailure(path: string, error: unknown): unknown {
  const code = error instanceof Error ? codeOf(error) : undefined;
  if (code === undefined) return error;
  const why = REASONS[code] ?? "the system refuses it; write elsewhere";
  return new BidoraError("WRITE", `${path} can't be written (${code}): ${why}.`, { cause: error });
}

/** Undefined for an error that does not come from the system, or not from writing. */
function codeOf(error: NodeJS.ErrnoException): string | undefined {
  const native = NATIVE.exec(error.message)?.[1];
  if (native !== undefined) return NATIVE_CODES[native] ?? native;
  return WRITING.test(error.syscall ?? "") ? error.code : undefined;
}
