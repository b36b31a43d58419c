import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export interface HubFile {
  readonly content: string | Buffer;
  /** Stored as a large file, identified by SHA-256 instead of git's SHA-1. */
  readonly large?: boolean;
}

/** A fake Hub on 127.0.0.1 with one repository, and faults that tests switch on. */
export class FakeHub {
  readonly requests: {
    readonly path: string;
    readonly range: string | undefined;
    readonly authorization: string | undefined;
  }[] = [];
  repo = "org/model";
  commit = COMMIT;
  files: Record<string, HubFile> = {};
  /** Answer everything with this status. */
  status: number | undefined;
  errorCode = "";
  /** Close the connection after this many bytes of a file, this many times. */
  breakOff: { file: string; afterBytes: number; times: number } | undefined;
  /** Send other bytes than listed. */
  damaged: string | undefined;
  ignoreRange = false;
  /** Send large files from another origin, as the Hub does. */
  elsewhere = false;
  /** Answer 200 with a page instead of JSON. */
  portal = false;
  silent = false;
  /** Name the files of the repository in answers about a revision. */
  namesFiles = true;
  /** Special responses by the end of the path. */
  readonly odd = new Map<string, (response: ServerResponse, request: IncomingMessage) => void>();
  private server: Server | undefined;

  async start(): Promise<string> {
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise<void>((done) => this.server!.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** The files and folders in a folder (empty: the root) as the Hub lists them. */
  listing(folder = ""): object[] {
    const inside = Object.entries(this.files).filter(([path]) => path.startsWith(folder));
    const isDirect = (path: string) => !path.slice(folder.length).includes("/");
    const subfolders = inside
      .filter(([path]) => !isDirect(path))
      .map(([path]) => folder + path.slice(folder.length).split("/")[0]);
    return [
      ...[...new Set(subfolders)].map((path) => ({ type: "directory", path, size: 0, oid: "d".repeat(40) })),
      ...inside.filter(([path]) => isDirect(path)).map(listed),
    ];
  }

  downloads(file: string): (string | undefined)[] {
    return this.requests.filter(({ path }) => path.endsWith(`/${file}`)).map(({ range }) => range);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url!.split("?")[0]!;
    const { range, authorization } = request.headers;
    this.requests.push({ path, range, authorization });
    const revision = after(path, `/api/models/${this.repo}/revision/`);
    const file = after(path, `/${this.repo}/resolve/${this.commit}/`);
    const folder = after(`${path}/`, `/api/models/${this.repo}/tree/${this.commit}/`);
    if (this.silent) return;
    const odd = [...this.odd].find(([end]) => path.endsWith(end));
    if (odd) odd[1](response, request);
    else if (this.status !== undefined) fail(response, this.status, this.errorCode);
    else if (this.portal) response.end("<html>Log in to this network</html>");
    else if (revision !== undefined) this.revision(response, decodeURIComponent(revision));
    else if (folder !== undefined) json(response, this.listing(folder));
    else if (file !== undefined && this.elsewhere && this.files[file]?.large) this.redirect(response, path);
    else if (file !== undefined && this.files[file]) this.send(response, file, range);
    else fail(response, 404, path.startsWith("/api") ? "RepoNotFound" : "EntryNotFound");
  }

  private revision(response: ServerResponse, revision: string): void {
    if (!["main", "v1", this.commit].includes(revision)) fail(response, 404, "RevisionNotFound");
    else {
      const siblings = Object.keys(this.files).map((rfilename) => ({ rfilename }));
      const info = { _id: "1", id: this.repo, sha: this.commit, lastModified: "2024-01-01T00:00:00Z" };
      json(response, { ...info, ...(this.namesFiles && { siblings }) });
    }
  }

  private redirect(response: ServerResponse, path: string): void {
    this.elsewhere = false;
    const { port } = this.server!.address() as AddressInfo;
    response.writeHead(302, { Location: `http://localhost:${port}${path}` }).end();
  }

  private send(response: ServerResponse, file: string, range: string | undefined): void {
    const content = Buffer.from(this.files[file]!.content);
    if (this.damaged === file) content[0] = content[0]! ^ 1;
    const start = this.ignoreRange || range === undefined ? 0 : Number(/^bytes=(\d+)-$/.exec(range)![1]);
    const body = content.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, {
      "Content-Length": body.length,
      "X-Repo-Commit": this.commit,
      ...(start > 0 && { "Content-Range": `bytes ${start}-${content.length - 1}/${content.length}` }),
    });
    if (this.breakOff?.file !== file || this.breakOff.times-- <= 0) {
      response.end(body);
      return;
    }
    response.write(body.subarray(0, this.breakOff.afterBytes), () => setTimeout(() => response.destroy(), 20));
  }
}

/** Sends the headers and the first bytes, then nothing more. */
export function stall(response: ServerResponse): void {
  response.writeHead(200, { "Content-Length": 1000 });
  response.write("[");
}

/** Sends bytes until the client disconnects. */
export function flood(response: ServerResponse): void {
  const piece = Buffer.alloc(2 ** 16, " ");
  const send = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", send).on("error", () => {});
  response.writeHead(200);
  send();
}

export const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");
export const gitSha1 = (content: string | Buffer): string =>
  createHash("sha1")
    .update(`blob ${Buffer.byteLength(content)}\0`)
    .update(content)
    .digest("hex");

function after(path: string, prefix: string): string | undefined {
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}

/** Hashes of a large file take long enough that a client may give up. */
const hashes = new WeakMap<HubFile, object>();

function listed([path, file]: [string, HubFile]): object {
  const size = Buffer.byteLength(file.content);
  if (!hashes.has(file)) hashes.set(file, hashed(file, size));
  return { type: "file", path, size, ...hashes.get(file) };
}

function hashed({ content, large }: HubFile, size: number): object {
  const oid = gitSha1(content);
  return large ? { oid, lfs: { oid: sha256(content), size, pointerSize: 130 } } : { oid };
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { "Content-Type": "application/json", "X-Error-Code": code })
    .end('{"error":"no hf_secret"}');
}
