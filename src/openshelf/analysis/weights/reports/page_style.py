"""The style of the page, in the colours and measures of the hub's own pages."""

STYLE = """:root { color-scheme: light dark;
  --paper: light-dark(oklch(98.3% 0.004 85), oklch(19.5% 0.006 85));
  --surface: light-dark(oklch(100% 0 0), oklch(23% 0.007 85));
  --ink: light-dark(oklch(25% 0.012 80), oklch(91% 0.006 85));
  --muted: light-dark(oklch(46% 0.012 80), oklch(72% 0.009 85));
  --line: light-dark(oklch(89.5% 0.007 85), oklch(31% 0.008 85));
  --accent: light-dark(oklch(43% 0.078 200), oklch(79% 0.085 195)); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 96px; }
header { max-width: 820px; }
h1 { font-size: 31px; line-height: 1.25; font-weight: 600; letter-spacing: -.01em; margin: 8px 0 12px;
  text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 20px; line-height: 1.3; font-weight: 600; margin: 48px 0 12px; }
.sides { color: var(--muted); font: 14px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; margin: 0;
  overflow-wrap: anywhere; }
.arrow { color: var(--accent); padding: 0 4px; }
.lead { margin: 0; max-width: 72ch; line-height: 1.65; overflow-wrap: anywhere; }
.quiet { color: var(--muted); font-size: 14px; margin: 8px 0 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 1px; margin: 32px 0 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.figures div { background: var(--surface); padding: 16px 20px; display: flex; flex-direction: column-reverse;
  justify-content: flex-end; }
.figures dd { margin: 0; font-size: 25px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures dt { color: var(--muted); font-size: 14px; }
table { border-collapse: collapse; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 7px 12px; border-top: 1px solid var(--line); }
th { font-weight: 500; }
thead th { color: var(--muted); font-size: 13px; border-top: 0; white-space: nowrap; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--surface); }
.wide table { width: 100%; }
.wide tbody th { font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; min-width: 30ch;
  overflow-wrap: anywhere; }
.wide td:nth-child(2), .wide td.n { white-space: nowrap; }
.wide td:last-child:not(.n) { color: var(--muted); min-width: 20ch; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
thead .n { text-align: right; }
.facts th { color: var(--muted); padding-left: 0; white-space: nowrap; }
.facts td { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.facts tr:first-child > * { border-top: 0; }
.facts ul { margin: 4px 0 0; padding-left: 16px; font: 13px/1.7 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
details .wide { margin-top: 12px; }
section > details { margin-top: 12px; }
summary { color: var(--accent); cursor: pointer; font-size: 14px; width: fit-content; }
figure { margin: 0; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--surface); }
figure svg { display: block; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.meanings { display: grid; grid-template-columns: max-content minmax(0, 72ch); gap: 8px 24px; margin: 0;
  font-size: 14px; }
.meanings dt { font-weight: 500; }
.meanings dd { margin: 0; color: var(--muted); }
@media (max-width: 560px) { main { padding: 24px 16px 64px; } h1 { font-size: 25px; }
  .figures { grid-template-columns: 1fr 1fr; } .figures div { padding: 12px; } .figures dd { font-size: 20px; }
  .meanings { grid-template-columns: 1fr; gap: 2px; } .meanings dd { margin-bottom: 12px; }
  .facts th { white-space: normal; } }
@media print { .wide, figure { overflow: visible; } }"""
