// A row of tabs that is wider than the phone begins with the current one in view.
for (const tab of document.querySelectorAll(".tabs > [aria-current], .side > [aria-current]")) {
  const row = tab.parentElement;
  if (row.scrollWidth > row.clientWidth) row.scrollLeft = tab.offsetLeft - row.offsetLeft - 24;
}
