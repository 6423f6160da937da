"use strict";
// The field for code: Tab indents, Escape gives the next Tab back to the keyboard; what is not saved is not left unasked.
{
const form = document.querySelector("form.writing");
const area = document.getElementById("field-text");
let changed = Boolean(form.dataset.unsaved);
form.addEventListener("input", () => { changed = true; });
form.addEventListener("submit", () => { changed = false; });
addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
if (area) {
  document.getElementById("help-tab").hidden = false;
  let leaving = false;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leaving = true; return; }
    if (event.key !== "Tab" || event.ctrlKey || event.altKey || event.metaKey) {
      if (event.key !== "Shift") leaving = false;
      return;
    }
    if (leaving) return;
    event.preventDefault();
    indent(event.shiftKey);
  });
  area.addEventListener("blur", () => { leaving = false; });
}

// Python and YAML want blanks; where the text has tabs already, a tab it is.
function indent(back) {
  const text = area.value, step = /^\t/m.test(text) ? "\t" : "  ";
  const { selectionStart: start, selectionEnd: end } = area;
  if (!back && start === end) { insert(start, end, step); return; }
  const first = text.lastIndexOf("\n", start - 1) + 1;
  const lines = text.slice(first, end).split("\n");
  const moved = lines.map((line) => back ? (line.startsWith(step) ? line.slice(step.length) : line.replace(/^\s/, "")) : line && step + line);
  insert(first, end, moved.join("\n"));
  area.setSelectionRange(start === end ? area.selectionEnd - (end - start) : first, area.selectionEnd);
}

function insert(start, end, text) {
  area.setSelectionRange(start, end);
  // The old way keeps the browser's own undo; the new one is for browsers that have dropped it.
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, start, end, "end");
}
}
