"""How an audit's page looks: on a screen by day and by night, and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --back: #fff; --front: #1b1f24; --muted: #59626d; --line: #d5dae0; --card: #f5f7f9;
  --good: #00664b; --good-back: #e0f2ec; --bad: #9c3d00; --bad-back: #fdeadf;
  --open: #5c4a00; --open-back: #fbf1cf;
  --oss: #0072b2; --oss-v1: #e69f00; --sealed: #009e73; --plaintext: #d55e00;
  --unreadable: #cc79a7; --failed: #7a828c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171a; --front: #e8eaed; --muted: #a3abb5; --line: #363c44; --card: #1d2126;
    --good: #7fdcbd; --good-back: #123529; --bad: #ffab7a; --bad-back: #43210d;
    --open: #f0d878; --open-back: #3a3110;
    --oss: #56a8dc; --oss-v1: #e69f00; --sealed: #1bb38a; --plaintext: #e8742a;
    --unreadable: #d990b8; --failed: #929ba6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.5rem 3rem; max-width: 62rem; background: var(--back);
  color: var(--front); font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
code, .name, .small.exact {
  font: .86em/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  overflow-wrap: anywhere;
}
.target { font-size: 1.05rem; overflow-wrap: anywhere; margin: 0 0 1rem; }
.option { white-space: nowrap; }
.small, .legend, th { color: var(--muted); font-size: .86rem; }
dl.facts {
  display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem 1.5rem; margin: 1rem 0;
  padding: .75rem 0; border: solid var(--line); border-width: 1px 0;
}
dl.facts dt { color: var(--muted); font-size: .8rem; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: .75rem; margin: 0; padding: 0; }
.tiles li { list-style: none; background: var(--card); border-radius: 6px; padding: .75rem 1rem; }
.tiles strong { display: block; font-size: 1.5rem; line-height: 1.25; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; }
th { text-align: left; font-weight: 600; vertical-align: bottom; }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td ul { margin: .25rem 0 0; padding-left: 1.1rem; }
td.when { white-space: nowrap; }
td.may { width: 32%; }
.what { font-weight: 600; }
.answer {
  display: inline-block; min-width: 5.5rem; padding: .05rem .6rem; border-radius: 4px;
  font-weight: 600; text-align: center; border: 1px solid currentColor;
}
.yes { color: var(--good); background: var(--good-back); }
.no { color: var(--bad); background: var(--bad-back); }
.unknown { color: var(--open); background: var(--open-back); }
details { margin-top: .25rem; }
summary { cursor: pointer; color: var(--muted); font-size: .86rem; }
ol.names { margin: .25rem 0; padding-left: 2.4rem; }
figure { margin: 1.5rem 0; break-inside: avoid; }
.wide > svg { display: block; width: 100%; height: auto; max-width: 62rem; margin-top: .5rem; }
figcaption .small { margin: 0; }
svg text { fill: var(--front); font-size: 12px; }
svg .label { text-anchor: end; }
svg .exact { font: 11px ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
svg .unit { fill: var(--muted); }
svg .axis { stroke: var(--line); }
.f-oss { fill: var(--oss); } .f-oss-v1 { fill: var(--oss-v1); }
.f-sealed { fill: var(--sealed); } .f-plaintext { fill: var(--plaintext); }
.f-unreadable { fill: var(--unreadable); } .f-failed { fill: var(--failed); }
.f-gone { fill: var(--line); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .25rem 0 0; padding: 0; }
.legend li { list-style: none; }
.worth { background: var(--card); border-radius: 6px; padding: .75rem 1rem .25rem; }
@media (max-width: 50rem) {
  .tiles, dl.facts { grid-template-columns: 1fr 1fr; }
  .wide { overflow-x: auto; border-right: 1px dashed var(--line); }
  .wide > svg { width: 734px; max-width: none; }
  .wide > table { min-width: 42rem; }
  .wide td:first-child { width: 13rem; overflow-wrap: anywhere; }
}
@media print {
  :root {
    color-scheme: light;
    --back: #fff; --front: #000; --muted: #444; --line: #bbb; --card: #f3f3f3;
    --good: #00503b; --good-back: #fff; --bad: #7a3000; --bad-back: #fff;
    --open: #4a3c00; --open-back: #fff;
    --oss: #0072b2; --sealed: #009e73; --plaintext: #d55e00; --unreadable: #cc79a7;
    --failed: #7a828c;
  }
  @page { size: A4; margin: 15mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  .wide { overflow: visible; border: 0; }
  .wide > svg { width: 100%; }
  .wide > table { min-width: 0; }
  h2 { break-after: avoid; }
  tr, .tiles, dl.facts, .worth { break-inside: avoid; }
  tr.long { break-inside: auto; }
  ol.names { columns: 2; font-size: 8pt; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .f-oss, .f-oss-v1, .f-sealed, .f-plaintext, .f-unreadable, .f-failed, .f-gone, .tiles li {
    print-color-adjust: exact; -webkit-print-color-adjust: exact;
  }
}
"""
