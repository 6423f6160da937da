"use strict";
// The page of an upload: the list of files, progress, what went wrong, and going on after a break.
{
const { Sending, Refused, Stopped, Unreadable } = globalThis.upload;
const form = document.getElementById("upload");
const config = form.dataset;
const find = (name) => form.querySelector(`[data-part="${name}"]`);
const SHOWN = 200;
const KEPT = 2000;
const LEFT_OUT = /(^|\/)(\.git(\/|$)|\.DS_Store$|Thumbs\.db$|desktop\.ini$)/;
const words = {};
for (const span of document.getElementById("upload-words").content.children) words[span.dataset.word] = span.textContent;
const say = (word, values = {}) => words[word].replace(/\{(\w+)\}/g, (_, name) => values[name]);

let files = [], sending = null, state = "choosing", problem = "", left = 0, waitingUntil = 0;
const store = `openshelf-upload:${config.repo}`;
const identity = (file) => `${file.name}|${file.size}|${file.lastModified}`;
let kept = read();
const hashes = new Map((kept?.files || []).filter((file) => file.sha256).map((file) => [file.key, file.sha256]));

for (const part of form.querySelectorAll("[data-script]")) part.hidden = false;
for (const part of form.querySelectorAll("[data-plain]")) part.hidden = true;
const chosen = document.getElementById("field-files");
chosen.required = false;
const folders = Object.assign(document.createElement("input"), { type: "file", webkitdirectory: true, multiple: true, hidden: true });
folders.setAttribute("aria-label", words.folder);
form.append(folders);
find("choose").addEventListener("click", () => chosen.click());
find("choose-folder").addEventListener("click", () => folders.click());
for (const input of [chosen, folders]) {
  input.addEventListener("change", () => { add([...input.files].map((file) => [file, file.webkitRelativePath || file.name])); input.value = ""; });
}

// Dropping: a browser opens what is dropped beside the mark, so the whole page takes it.
const drop = find("drop");
let over = 0;
addEventListener("dragenter", (event) => { if (carries(event)) { over++; drop.classList.add("over"); } });
addEventListener("dragleave", (event) => { if (carries(event) && --over <= 0) { over = 0; drop.classList.remove("over"); } });
addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
addEventListener("drop", async (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  over = 0;
  drop.classList.remove("over");
  const plain = [...event.dataTransfer.files];
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  add(entries.length ? (await Promise.all(entries.map(walk))).flat() : plain.map((file) => [file, file.name]));
});
function carries(event) { return event.dataTransfer?.types.includes("Files"); }

async function walk(entry) {
  if (LEFT_OUT.test(entry.fullPath)) { left++; return []; }
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail)).catch(() => null);
    return file ? [[file, entry.fullPath.slice(1)]] : [];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail)).catch(() => []);
    if (!some.length) return found;
    for (const below of some) found.push(...await walk(below));
  }
}

function add(pairs) {
  if (state === "running" || state === "done") return;
  for (const [file, path] of pairs) {
    if (LEFT_OUT.test(path)) { left++; continue; }
    const same = files.findIndex((item) => item.name === path);
    const item = { file, name: path, path, size: file.size, state: "chosen", done: 0 };
    if (same >= 0) files[same] = item; else files.push(item);
  }
  problem = "";
  announce(say("chosen", { count: files.length, size: amount(total()) }));
  draw(true);
}

form.addEventListener("submit", (event) => { event.preventDefault(); if (state !== "running") start(); });
find("pause").addEventListener("click", () => { state = "paused"; sending?.stop(); draw(); find("go").focus(); });
find("now").addEventListener("click", () => sending?.hurry());
addEventListener("online", () => sending?.hurry());
find("cancel").addEventListener("click", () => { state = "cancelled"; sending?.stop(); forget(); files = []; state = "choosing"; problem = ""; draw(true); find("choose").focus(); });
find("forget").addEventListener("click", () => { forget(); draw(true); find("choose").focus(); });
addEventListener("beforeunload", (event) => { if (state === "running" || state === "paused") event.preventDefault(); });
addEventListener("pagehide", () => { if (files.length && state !== "done") write(); });

async function start() {
  problem = "";
  if (!files.length) { fail(words.nothing); find("choose").focus(); return; }
  const folder = form.elements.folder.value.trim().replace(/^\/+|\/+$/g, "");
  for (const item of files) { item.at = (folder ? `${folder}/` : "") + item.path.trim().replace(/^\/+/, ""); item.state = "waiting"; item.done = 0; }
  const twice = files.find((item, i) => files.some((other, j) => j < i && other.at === item.at));
  if (files.length < 5000 && twice) { fail(say("twice", { path: twice.at })); return; }
  const big = Number(config.most) && files.find((item) => item.size > Number(config.most));
  if (big) { fail(say("too-large", { path: big.at, size: amount(big.size), most: amount(Number(config.most)) })); return; }
  state = "running";
  write();
  const run = new Sending(files.map((item) => Object.assign(item, { target: item.path, path: item.at })), {
    api: config.api, lfs: config.lfs, token: form.elements.csrf.value, part: Number(config.part), worker: config.worker,
    rev: form.elements.rev.value, moved: 0, tell, conflict,
    known: (file) => hashes.get(identity(file)),
    remember: (file, sha256) => { hashes.set(identity(file), sha256); soon(); },
    waiting: (wait, why) => { waitingUntil = wait ? performance.now() + wait : 0; problem = wait ? why : ""; tell(); },
  });
  sending = run;
  clock = meter();
  draw();
  const title = form.elements.title.value.trim() || (files.length === 1 ? say("title-one", { path: files[0].at }) : say("title-many", { count: files.length }));
  try {
    const done = await run.run({ title, description: form.elements.description.value.trim(), pull: form.elements.target?.value === "pull", parent: config.commit });
    state = "done";
    forget();
    draw();
    announce(words.committed);
    const number = /\/discussions\/(\d+)$/.exec(done.pullRequestUrl || "");
    location.assign(number ? `${config.tree}refs%2Fpr%2F${number[1]}` : `${config.tree}${encodeURIComponent(run.rev)}${folder ? `/${encodeURI(folder)}` : ""}`);
  } catch (error) {
    for (const item of files) item.path = item.target ?? item.path;
    if (sending === run) run.stop();
    if (error instanceof Stopped) { draw(true); return; }
    state = "failed";
    fail(explain(error));
  }
}

function explain(error) {
  if (error instanceof Unreadable) return say("unreadable", { path: error.message });
  if (!(error instanceof Refused)) { console.error(error); return words.fault; }
  if (error.status === 401) return words["signed-out"];
  return error.message || say("refused", { status: error.status });
}

function fail(text) {
  problem = text;
  draw(true);
  find("problem").focus();
}

// Somebody committed while we sent: say who, and what of ours it touches; go on only when told to.
async function conflict(parent, clashes) {
  const answer = await sending.json("GET", `${config.api}/commits/${encodeURIComponent(sending.rev)}?limit=50`);
  const since = answer.slice(0, answer.findIndex((commit) => commit.id === parent) >>> 0);
  const box = find("conflict"), list = box.querySelector("ul");
  list.replaceChildren(...since.slice(0, 5).map((commit) => line(say("was", { name: commit.authors[0]?.user || "?", title: commit.title }))));
  box.querySelector("[data-part=clashes]").textContent = clashes.length ? say("clashes", { paths: clashes.slice(0, 5).join(", ") }) : words["no-clashes"];
  box.hidden = false;
  box.focus();
  await new Promise((go, stop) => {
    find("go-on").onclick = () => go();
    find("pause").addEventListener("click", () => stop(new Stopped()), { once: true });
    find("cancel").addEventListener("click", () => stop(new Stopped()), { once: true });
  }).finally(() => { box.hidden = true; });
  return answer[0].id;
}

function line(text) { return Object.assign(document.createElement("li"), { textContent: text }); }

// Drawing: the list when it changes, figures four times a second.
let clock = null, drawn = 0, later = 0;
function tell() {
  if (later) return;
  later = setTimeout(() => { later = 0; draw(); }, Math.max(0, 250 - (performance.now() - drawn)));
}

function draw(anew = false) {
  drawn = performance.now();
  const running = state === "running", busy = running || state === "paused";
  if (anew) list();
  for (const item of files.slice(0, SHOWN)) figures(item);
  find("more").textContent = files.length > SHOWN ? say("more", { count: files.length - SHOWN }) : "";
  find("left").textContent = left ? say("left", { count: left }) : "";
  find("sum").textContent = files.length ? say("chosen", { count: files.length, size: amount(total()) }) : "";
  find("total").hidden = !busy && state !== "done";
  find("go").hidden = running || state === "done";
  find("go").textContent = busy || state === "failed" ? words["go-on"] : words.go;
  find("pause").hidden = !running;
  find("cancel").hidden = !busy && state !== "failed";
  drop.hidden = running || state === "done";
  for (const field of form.querySelectorAll("fieldset.settled")) field.disabled = running || state === "done";
  for (const field of form.querySelectorAll(".sending input, .sending button")) field.disabled = running || state === "done";
  find("problem").hidden = !problem || (running && waitingUntil > 0);
  find("problem-text").textContent = problem;
  find("again").hidden = !kept || files.length > 0;
  if (kept) find("again-text").textContent = say("again", { count: kept.count, size: amount(kept.size), when: new Date(kept.when).toLocaleString() });
  if (busy || state === "done") overall();
}

function list() {
  find("list").replaceChildren(...files.slice(0, SHOWN).map((item, i) => {
    const row = document.createElement("li");
    const path = Object.assign(document.createElement("input"), { value: item.path, maxLength: 4096, spellcheck: false, dir: "auto" });
    path.setAttribute("aria-label", say("path-of", { name: item.name }));
    path.addEventListener("change", () => { item.path = path.value.trim() || item.name; path.value = item.path; });
    path.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    const said = Object.assign(document.createElement("span"), { className: "said" });
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    bar.setAttribute("aria-label", item.name);
    const away = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: words.remove });
    away.setAttribute("aria-label", say("remove-of", { name: item.name }));
    away.addEventListener("click", () => {
      files.splice(files.indexOf(item), 1);
      draw(true);
      (find("list").children[Math.min(i, files.length - 1)]?.querySelector("button") || find("choose")).focus();
    });
    row.append(path, said, bar, away);
    item.row = { said, bar };
    return row;
  }));
}

function figures(item) {
  if (!item.row) return;
  const moving = ["hashing", "sending", "checking"].includes(item.state);
  item.row.bar.hidden = !moving;
  item.row.bar.value = item.size ? item.done / item.size : 1;
  const text = say(`state-${item.state}`, { size: amount(item.size), done: amount(item.done), kept: amount(item.kept || 0) });
  item.row.said.textContent = item.kept && item.state === "sending" ? `${text} ${say("kept", { kept: amount(item.kept) })}` : text;
}

function overall() {
  const large = files.filter((item) => item.mode === "lfs" || item.mode === undefined);
  const all = sum(large, "size"), sent = large.reduce((n, item) => n + (["hashing", "waiting"].includes(item.state) ? 0 : item.mode ? item.done : 0), 0);
  const hashing = files.find((item) => item.state === "hashing");
  find("bar").max = all || 1;
  find("bar").value = state === "done" ? all || 1 : sent;
  const speed = clock(sending?.moved || 0);
  let text = say("amount", { done: amount(sent), all: amount(all) });
  if (state === "paused") text += `. ${words.paused}`;
  else if (waitingUntil) text += `. ${say("lost", { seconds: Math.max(1, Math.round((waitingUntil - performance.now()) / 1000)) })} ${problem}`;
  else if (files.some((item) => item.state === "committing")) text = words.committing;
  else if (speed > 0) text += `, ${say("speed", { speed: amount(speed), rest: duration((all - sent) / speed) })}`;
  else if (hashing) text += `. ${say("hashing", { path: hashing.name })}`;
  find("said").textContent = text;
  find("now").hidden = !waitingUntil;
  if (waitingUntil || speed > 0) tell();
  const word = state === "running" ? (waitingUntil ? words.interrupted : `${Math.floor(10 * sent / (all || 1)) * 10} %`) : "";
  if (word && word !== spoken) { spoken = word; announce(word); }
}
let spoken = "";

// Bytes a second, of the last ten seconds.
function meter() {
  const seen = [];
  return (bytes) => {
    const now = performance.now();
    seen.push([now, bytes]);
    while (seen.length > 2 && now - seen[0][0] > 10000) seen.shift();
    const [[then, before]] = seen;
    return now - then > 500 ? Math.max(0, bytes - before) * 1000 / (now - then) : 0;
  };
}

function announce(text) { find("status").textContent = text; }
function sum(items, name) { return items.reduce((n, item) => n + item[name], 0); }
function total() { return sum(files, "size"); }

function amount(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit++; }
  const digits = unit && bytes < 99.95 ? (bytes < 9.995 ? 2 : 1) : 0;
  return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: units[unit], unitDisplay: unit ? "short" : "long", maximumFractionDigits: digits }).format(bytes);
}

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "?";
  const [value, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"];
  return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" }).format(Math.max(1, Math.round(value)));
}

// What is needed to go on in another tab or on another day: names, sizes, times and hashes, never the bytes.
function write() {
  const list = files.slice(0, KEPT).map((item) => ({ key: identity(item.file), sha256: hashes.get(identity(item.file)) }));
  const fields = Object.fromEntries(["folder", "title", "description"].map((name) => [name, form.elements[name].value]));
  kept = { when: Date.now(), count: files.length, size: total(), files: list, fields };
  try { localStorage.setItem(store, JSON.stringify(kept)); } catch { /* a browser that keeps nothing begins anew */ }
}
let writing = 0;
function soon() { writing ||= setTimeout(() => { writing = 0; if (state === "running") write(); }, 1000); }
function forget() { clearTimeout(writing); kept = null; try { localStorage.removeItem(store); } catch { /* as above */ } }
function read() {
  try {
    const found = JSON.parse(localStorage.getItem(store));
    for (const [name, value] of Object.entries(found?.fields || {})) if (!form.elements[name].value) form.elements[name].value = value;
    return found;
  } catch { return null; }
}

if (config.closed) for (const button of form.querySelectorAll("button")) button.disabled = true;
draw(true);
}
