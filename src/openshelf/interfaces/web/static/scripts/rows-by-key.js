// Up and down go through the rows of a table, Home and End to its ends; Enter follows the link, as links do.
for (const table of document.querySelectorAll("table[data-rows]")) {
  const links = [...table.querySelectorAll("tbody a.entry")];
  table.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof Element)) return;
    const here = links.indexOf(event.target.closest("tr")?.querySelector("a.entry"));
    const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: links.length - 1 }[event.key];
    if (next === undefined || !links[next]) return;
    event.preventDefault();
    links[next].focus();
  });
}
