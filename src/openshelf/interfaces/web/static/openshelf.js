// Comfort for those who have scripts on. Nothing here is needed to use a page.
"use strict";

// Copy buttons stay hidden without this script.
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    if (await copy(button.dataset.copy)) {
      button.textContent = button.dataset.done;
      announce(button.dataset.done);
      setTimeout(() => { button.textContent = label; }, 2000);
    }
  });
}

async function copy(text) {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: try the old way */ }
  }
  // Hubs in a local network are often reached without TLS, where the clipboard of the browser is closed.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  const focused = document.activeElement;
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}

let status;
function announce(text) {
  if (!status) {
    status = document.createElement("div");
    status.className = "unseen";
    status.setAttribute("role", "status");
    document.body.append(status);
  }
  status.textContent = "";
  setTimeout(() => { status.textContent = text; }, 50);
}

// "/" goes to the search field, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.getElementById("find");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

// Menus close by Escape, by a click elsewhere, and when the focus leaves them.
for (const menu of document.querySelectorAll("details.menu")) {
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  });
}

// The colours change at once; the cookie that remembers them is set by the hub.
for (const form of document.querySelectorAll("form.theme")) {
  form.addEventListener("submit", (event) => {
    const chosen = event.submitter;
    if (!chosen) return;
    event.preventDefault();
    if (chosen.value) document.documentElement.dataset.theme = chosen.value;
    else delete document.documentElement.dataset.theme;
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
    const body = new URLSearchParams({ theme: chosen.value, next: "/" });
    fetch(form.action, { method: "POST", body, redirect: "manual" });
  });
}

// Choosing the role of a token opens and closes what belongs to it.
for (const choice of document.querySelectorAll("input[name=role]")) {
  choice.addEventListener("change", () => {
    const fold = document.querySelector("details.fold");
    if (fold) fold.open = choice.value === "fine-grained" && choice.checked;
  });
}

// Wide code and tables of a card can be scrolled by keyboard in every browser.
for (const wide of document.querySelectorAll(".prose pre, .prose table")) {
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}

// What went wrong takes the focus.
document.getElementById("errors")?.focus();
