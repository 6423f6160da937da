"use strict";
// Sending: which files go how, their hashes, parts that are missing, the commit. Knows nothing of the page.
{
const LANES = 3;
const PLAN_FILES = 200;
const SAMPLE = 512;
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}
class Stopped extends Error {}
class Unreadable extends Error {}

// files: [{file, path, size, state, done, sent}] ; settings: {api, lfs, token, part, worker, rev, known(file), tell(), conflict(paths)}
class Sending {
  constructor(files, settings) {
    Object.assign(this, settings);
    this.files = files;
    this.requests = new Set();
    this.isStopped = false;
    this.free = LANES;
    this.queue = [];
    this.waits = new Set();
  }

  async run(message) {
    await this.plan();
    const large = this.files.filter((item) => item.mode === "lfs");
    const hashing = this.hashAll(large);
    hashing.catch(() => {});
    let next = 0;
    const lane = async () => {
      while (next < large.length) {
        const item = large[next++];
        await item.hashed;
        await this.send(item);
      }
    };
    try {
      await Promise.all([hashing, ...Array.from({ length: LANES }, lane)]);
      return await this.commit(message);
    } finally {
      this.hasher?.terminate();
    }
  }

  stop() {
    this.isStopped = true;
    this.hasher?.terminate();
    for (const request of this.requests) request.abort();
    for (const wait of this.waits) wait();
    for (const item of this.files) item.unhashed?.(new Stopped());
  }

  hurry() { for (const wait of this.waits) wait(); }

  async plan() {
    for (let at = 0; at < this.files.length; at += PLAN_FILES) {
      const group = this.files.slice(at, at + PLAN_FILES);
      const found = await this.ask(group);
      group.forEach((item, i) => {
        item.mode = found[i].shouldIgnore ? "ignored" : found[i].uploadMode;
        item.before = found[i].oid;
        if (item.mode === "ignored") item.state = "ignored";
      });
    }
    this.files = this.files.filter((item) => item.mode !== "ignored");
    this.tell();
  }

  async ask(group) {
    const files = await Promise.all(group.map(async ({ file, path, size }) => ({ path, size, sample: await base64(file.slice(0, SAMPLE)) })));
    return (await this.json("POST", `${this.api}/preupload/${encodeURIComponent(this.rev)}`, { files })).files;
  }

  async hashAll(items) {
    for (const item of items) {
      item.hashed = new Promise((done, fail) => { item.isHashed = done; item.unhashed = fail; });
      item.hashed.catch(() => {});
    }
    for (const item of items) {
      item.sha256 = this.known(item.file);
      if (!item.sha256) {
        item.state = "hashing";
        item.sha256 = await this.hash(item);
        this.remember(item.file, item.sha256);
      }
      item.done = 0;
      item.state = "waiting";
      item.isHashed();
    }
  }

  hash(item) {
    if (!this.hasher) {
      this.hasher = new Worker(this.worker);
      this.hasher.onmessage = ({ data }) => this.heard[data.id](data);
      this.heard = [];
    }
    return new Promise((done, fail) => {
      const unhashed = item.unhashed;
      item.unhashed = (error) => { unhashed?.(error); fail(error); };
      this.hasher.onerror = () => item.unhashed(new Unreadable(item.path));
      const id = this.heard.push((data) => {
        if (data.sha256) done(data.sha256);
        else if (data.failed) item.unhashed(new Unreadable(item.path));
        else { item.done = data.done; this.tell(); }
      }) - 1;
      this.hasher.postMessage({ id, file: item.file });
    });
  }

  async send(item) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.sendOnce(item);
      } catch (error) {
        // The address has expired, or the file is not the one that was hashed once: begin this file anew, but not for ever.
        if (!(error instanceof Refused) || ![400, 401].includes(error.status) || attempt > 1) throw error;
        if (error.status === 400) this.remember(item.file, item.sha256 = await this.hash(item));
      }
    }
  }

  async sendOnce(item) {
    const object = { oid: item.sha256, size: item.size };
    const body = { operation: "upload", transfers: ["multipart", "basic"], hash_algo: "sha256", chunk_size: this.part, objects: [object] };
    const answer = (await this.json("POST", this.lfs, body)).objects[0];
    if (answer.error) throw new Refused(answer.error.code, answer.error.message);
    if (!answer.actions) { item.done = item.size; item.state = "stored"; this.tell(); return; }
    item.state = "sending";
    item.done = 0;
    const upload = local(answer.actions.upload.href), header = answer.actions.upload.header;
    if (!header) {
      await this.put(item, upload, 0, item.size);
    } else {
      const size = Number(header.chunk_size), count = Math.ceil(item.size / size);
      const list = upload.replace("/complete?", "/parts?");
      const there = new Set((await this.json("GET", list)).parts);
      item.kept = 0;
      for (const number of there) item.kept += Math.min(size, item.size - (number - 1) * size);
      item.done = item.kept;
      const missing = Array.from({ length: count }, (_, i) => i + 1).filter((number) => !there.has(number));
      await Promise.all(missing.map((number) => this.put(item, local(header[number]), (number - 1) * size, Math.min(number * size, item.size), { list, number })));
      item.state = "checking";
      this.tell();
      const parts = Array.from({ length: count }, (_, i) => ({ partNumber: i + 1, etag: "" }));
      await this.json("POST", upload, { oid: item.sha256, parts });
    }
    item.state = "sent";
    this.tell();
  }

  // The bytes [start, end) of a file; they count as done only while and when they arrive.
  async put(item, address, start, end, part) {
    await this.enter();
    try {
      await this.patiently(async (attempt) => {
        if (attempt && part && (await this.json("GET", part.list)).parts.includes(part.number)) { item.done += end - start; return; }
        let counted = 0;
        const count = (loaded) => { item.done += loaded - counted; this.moved += Math.max(0, loaded - counted); counted = loaded; this.tell(); };
        try {
          await this.request("PUT", address, item.file.slice(start, end), {}, (loaded) => count(Math.min(loaded, end - start)));
          count(end - start);
        } catch (error) {
          count(0);
          await item.file.slice(start, start + 1).arrayBuffer().catch(() => { throw new Unreadable(item.path); });
          throw error;
        }
      });
    } finally {
      this.leave();
    }
  }

  async commit({ title, description, pull, parent }) {
    const address = `${this.api}/commit/${encodeURIComponent(this.rev)}${pull ? "?create_pr=1" : ""}`;
    for (const item of this.files) item.state = "committing";
    this.tell();
    for (;;) {
      const lines = [JSON.stringify({ key: "header", value: { summary: title, description, parentCommit: parent } }), "\n"];
      for (const item of this.files) {
        const value = item.mode === "lfs" ? { path: item.path, algo: "sha256", oid: item.sha256, size: item.size }
          : { path: item.path, encoding: "base64", content: await base64(item.file) };
        lines.push(JSON.stringify({ key: item.mode === "lfs" ? "lfsFile" : "file", value }), "\n");
      }
      try {
        return await this.json("POST", address, new Blob(lines), "application/x-ndjson");
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 412) throw error;
        parent = await this.conflict(parent, await this.clashes());
      }
    }
  }

  // Those of our paths where somebody has put something else since we began.
  async clashes() {
    const found = [];
    for (let at = 0; at < this.files.length; at += PLAN_FILES) {
      const group = this.files.slice(at, at + PLAN_FILES), now = await this.ask(group);
      group.forEach((item, i) => { if (now[i].oid !== item.before) { found.push(item.path); item.before = now[i].oid; } });
    }
    return found;
  }

  json(method, address, body, type = "application/json") {
    const sent = body === undefined ? null : body instanceof Blob ? body : JSON.stringify(body);
    const headers = { Accept: "application/json", "X-CSRF-Token": this.token, ...(sent && { "Content-Type": type }) };
    return this.patiently(async () => {
      const text = await this.request(method, address, sent, headers);
      return text ? JSON.parse(text) : {};
    });
  }

  // What failed for want of a connection or of a hub is tried again, at longer and longer intervals, until somebody stops it.
  async patiently(work) {
    for (let attempt = 0; ; attempt++) {
      if (this.isStopped) throw new Stopped();
      try {
        const found = await work(attempt);
        this.waiting(0);
        return found;
      } catch (error) {
        if (this.isStopped) throw new Stopped();
        const passing = error instanceof Refused && (error.status === 0 || error.status === 429 || error.status === 408 || (error.status >= 500 && error.status !== 501));
        if (!passing) throw error;
        const wait = Math.max((error.after || 0) * 1000, Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt));
        this.waiting(wait, error.status ? error.message : "");
        await new Promise((done) => {
          const end = () => { clearTimeout(timer); this.waits.delete(end); done(); };
          const timer = setTimeout(end, wait);
          this.waits.add(end);
        });
      }
    }
  }

  request(method, address, body, headers, progress) {
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      this.requests.add(request);
      request.open(method, address);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (progress) request.upload.onprogress = (event) => progress(event.loaded);
      request.onloadend = () => {
        this.requests.delete(request);
        if (request.status >= 200 && request.status < 300) { done(request.responseText); return; }
        const refused = new Refused(request.status, said(request));
        refused.after = Number(request.getResponseHeader("Retry-After")) || 0;
        fail(refused);
      };
      request.send(body);
    });
  }

  async enter() {
    if (this.free > 0) { this.free--; return; }
    await new Promise((go) => this.queue.push(go));
  }

  leave() {
    const go = this.queue.shift();
    if (go) go(); else this.free++;
  }
}

function said(request) {
  try {
    const body = JSON.parse(request.responseText);
    return String(body.error || body.message || "");
  } catch {
    return "";
  }
}

// Addresses of the hub as the page reached it, whatever name the hub gives itself.
function local(address) {
  const { pathname, search } = new URL(address, location.href);
  return pathname + search;
}

function base64(blob) {
  if (!blob.size) return Promise.resolve("");
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => fail(new Unreadable(blob.name || ""));
    reader.readAsDataURL(blob);
  });
}

globalThis.upload = { Sending, Refused, Stopped, Unreadable };
}
