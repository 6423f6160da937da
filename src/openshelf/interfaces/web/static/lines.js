"use strict";
// Lines of a text: "#L10-L20" marks them all, Shift and a click on a number choose a range, links keep the choice.
const LINES = /^#L(\d+)(?:-L?(\d+))?$/;
const permalink = document.querySelector("a[data-permalink]");
const permalinkPlace = permalink && permalink.getAttribute("href");

function markLines() {
  for (const line of document.querySelectorAll(".line.chosen")) line.classList.remove("chosen");
  const found = LINES.exec(location.hash);
  if (permalink) permalink.setAttribute("href", permalinkPlace + (found ? location.hash : ""));
  if (!found) return;
  const source = document.querySelector("a[data-lines]");
  if (!document.getElementById("L1")) {
    // Somebody was sent to a line, but the page shows the file in another way.
    if (source) location.replace(source.href + location.hash);
    return;
  }
  const first = Math.min(found[1], found[2] || found[1]);
  const last = Math.min(Math.max(found[1], found[2] || found[1]), first + 20000);
  for (let number = first; number <= last; number += 1) {
    const line = document.getElementById("L" + number);
    if (!line) break;
    line.classList.add("chosen");
  }
  if (found[2]) document.getElementById("L" + first)?.scrollIntoView({ block: "center" });
}

document.addEventListener("click", (event) => {
  const number = event.target instanceof Element && event.target.closest("a.line-number");
  const found = LINES.exec(location.hash);
  if (!number || !event.shiftKey || !found) return;
  event.preventDefault();
  location.hash = "#L" + found[1] + "-L" + number.dataset.line;
});
addEventListener("hashchange", markLines);
markLines();
