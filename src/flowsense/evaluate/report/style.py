"""The style sheet, and the colours that plots share with it. Okabe & Ito 2008."""

# What matplotlib draws in becomes a variable of the page, so plots follow light and dark.
INK, FAINT, RULE = "#111112", "#777778", "#dddddd"
MODEL, NULL, OTHER, SIDE = "#0072b2", "#d55e00", "#999998", "#cc79a7"
GOOD, BAD = "#0072b3", "#d55e01"
VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    RULE: "var(--rule)",
    MODEL: "var(--model)",
    NULL: "var(--null)",
    OTHER: "var(--other)",
    SIDE: "var(--side)",
    GOOD: "var(--model)",
    BAD: "var(--null)",
}

SHEET = """
:root { color-scheme: light dark; --paper: #fdfdfb; --card: #fff; --ink: #1c2024; --faint: #646b73;
  --rule: #dfe2e5; --model: #0068a8; --null: #c24e00; --other: #9aa1a8; --side: #b3558a;
  --above: #d9ecf8; --below: #fbe3d3; --wash: #f3f4f4; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1a1e22; --ink: #e4e7ea;
  --faint: #98a0a8; --rule: #333a41; --model: #5fb4ea; --null: #f0904a; --other: #78818a;
  --side: #dd8fbb; --above: #12364d; --below: #4a2a14; --wash: #1f2428; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 78rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header p { max-width: 48rem; }
.eyebrow { color: var(--faint); font-size: .85rem; margin: 0; }
h1 { font-size: clamp(1.5rem, 4vw, 2.2rem); line-height: 1.2; margin: .3rem 0 1rem;
  font-weight: 650; letter-spacing: -.01em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 3rem 0 .4rem; padding-top: .8rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: .95rem; margin: 0 0 .4rem; font-weight: 600; overflow-wrap: anywhere; }
h3 small { display: block; font-size: .8rem; }
h3 small, .quiet, figcaption, td small { color: var(--faint); font-weight: 400; }
.lead { font-size: 1.12rem; }
.quiet, figcaption { font-size: .875rem; max-width: 50rem; }
nav { font-size: .875rem; margin: 1.25rem 0 0; display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
a { color: var(--model); text-decoration: none; } a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .875rem; width: 100%; }
th, td { padding: .35rem .6rem; text-align: right; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--rule); }
thead th { color: var(--faint); font-weight: 500; vertical-align: bottom; }
th:first-child, td.text, th.text { text-align: left; }
tbody th { font-weight: 600; } 
td small, th small { display: block; font-weight: 400; color: var(--faint);
  font-size: .75rem; line-height: 1.35; }
tr.null th { font-weight: 400; color: var(--faint); } 
.dot { color: var(--model); font-size: .6em; vertical-align: .15em; }
.above { background: var(--above); } .below { background: var(--below); }
.none { color: var(--faint); cursor: help; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .8rem; color: var(--faint);
  margin: .6rem 0; padding: 0; list-style: none; }
.key i { display: inline-block; margin-right: .45rem; }
.line { width: 1.6rem; border-top: .16rem solid var(--ink); vertical-align: .25rem; }
.line.model { border-color: var(--model); } .line.other { border-color: var(--other); }
.line.null { border-top-style: dashed; border-color: var(--null); }
.line.side { border-top-style: dotted; border-color: var(--side); }
.swatch { width: .8rem; height: .8rem; vertical-align: -.1rem; border-radius: 2px; }
.hit { background: var(--model); } .wrong { background: var(--null); }
.still { background: var(--rule); } .train { background: var(--other); }
.hollow { border: .1rem solid var(--other); }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
  margin: .8rem 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .8rem .9rem; margin: 0; min-width: 0; max-width: 24rem; break-inside: avoid; }
figure { margin: .8rem 0; } svg { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; } .wide svg { min-width: 44rem; }
.heat td { background: color-mix(in srgb, var(--model) calc(var(--share) * 55%), transparent); }
.heat { font-size: .8rem; table-layout: fixed; } .heat th { font-weight: 500; }
.heat th, .heat td { border: 0; padding: .25rem .35rem; } .heat th:first-child { padding-left: 0; }
.heat th:first-child { width: 2.6rem; }
.heat td small { color: inherit; opacity: .75; }
.bars { display: grid; grid-template-columns: minmax(0, 1fr) 4rem 3.2rem; gap: .15rem .5rem;
  font-size: .8rem; align-items: center; } .bars span { overflow: hidden; text-overflow: ellipsis; }
.bars i { height: .6rem; background: var(--model); border-radius: 1px; width: var(--w); }
.bars b { font-weight: 400; white-space: nowrap; text-align: right; }
.two { grid-template-columns: minmax(0, 1fr) 6rem 2.4rem; } .two u { display: flex;
  height: .8rem; align-items: center; text-decoration: none; width: 50%; }
.two u.up { margin-left: 50%; border-left: 1px solid var(--faint); }
.two u.down { justify-content: flex-end; border-right: 1px solid var(--faint); }
.broad { grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
.two i.wrong { background: var(--null); } .two i.train { background: var(--other); }
.ends { display: flex; height: .8rem; min-width: 8rem; border-radius: 2px; overflow: hidden; }
.ends i { width: var(--w); }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr);
  gap: .3rem 1.2rem; font-size: .875rem; margin: .8rem 0; } dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; } dl.facts dt { font-weight: 400; color: var(--faint); }
pre { background: var(--wash); padding: .8rem 1rem; border-radius: .4rem; overflow-x: auto;
  font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin: .5rem 0; } summary { cursor: pointer; font-size: .9rem; }
ul.warnings { font-size: .9rem; padding-left: 1.2rem; }
@media (max-width: 34rem) { main { padding: 1.2rem .9rem 3rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  .grid { grid-template-columns: none; grid-auto-flow: column; grid-auto-columns: 15rem;
    overflow-x: auto; padding-bottom: .4rem; } }
@media print { :root { color-scheme: light; } body { font-size: 11px; } nav { display: none; }
  main { max-width: none; padding: 0; } h2, h3 { break-after: avoid; } .wide svg { min-width: 0; }
  .scroll, .wide { overflow: visible; } * { print-color-adjust: exact; } }
"""
