"""The report: NAME.html, which needs no other file, and its drawings.

They are NAME.trend.svg, NAME.clusters.svg and, for a pair of networks, NAME.heat.svg.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from ecg import __version__
from ecg.files import atomic_write
from holter.files import to_json
from holter.result import Result
from holter.review import COLUMNS, cells, review
from holter.svg import STYLE, alone, clusters, heats, trend

SHOWN = 100  # rows of the list that the page has
PAGE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 16px; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 8px; }
.use { border: 1px solid var(--v); color: var(--v); border-radius: 4px; display: inline-block;
  padding: 2px 8px; }
.quiet { color: var(--quiet); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 8px;
  margin: 16px 0; padding: 0; }
.facts div { border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; }
.facts dt { color: var(--quiet); font-size: 13px; } .facts dd { margin: 0; font-size: 18px; }
.wide { overflow-x: auto; } .trend svg { width: 100%; min-width: 720px; display: block; }
.looks { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, WIDTHpx), 1fr)); }
.looks figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: 4px; }
.looks svg { width: 100%; display: block; }
table { border-collapse: collapse; font-size: 14px; min-width: 100%; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
td:nth-child(4), td:nth-child(5), td:nth-child(8) { font-variant-numeric: tabular-nums; }
code { background: var(--line); border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; }
"""


def write_report(result: Result, stem: Path) -> None:
    """Write the page and its drawings; `stem` is the path without an ending.

    Raises
    ------
    LeadwiseError
        A file cannot be written.
    """
    of_trend, of_clusters, of_heat = trend(result), clusters(result), heats(result)
    texts = {
        "trend.svg": alone([of_trend]), "clusters.svg": alone(of_clusters),
        "html": page(result, of_trend, of_clusters, of_heat),
    }  # fmt: skip
    if of_heat:
        texts["heat.svg"] = alone(of_heat)
    else:
        Path(f"{stem}.heat.svg").unlink(missing_ok=True)  # of an earlier model
    for ending, text in texts.items():
        with atomic_write(f"{stem}.{ending}") as draft:
            draft.write_text(text, encoding="utf-8")


def page(result: Result, of_trend: str, of_clusters: list[str], of_heat: Sequence[str] = ()) -> str:
    """Write the page as HTML."""
    name = escape(result.name)
    width = 130 + 90 * len(result.leads)
    model = escape(", ".join(f"{key} {value}" for key, value in result.model.items()))
    figures = "".join(f"<figure>{drawing}</figure>" for drawing in of_clusters)
    facts = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>"
        for key, value in _facts(result)
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Holter: {name}</title>
<style>{STYLE}{PAGE.replace("WIDTH", str(min(width, 560)))}</style></head><body>
<h1>Holter: {name}</h1>
<p><span class="use">Research use only; not a medical device.</span></p>
<dl class="facts">{facts}</dl>
<h2>Heart rate by minute, and events</h2>
<p class="quiet">Grey: no lead can be read.</p>
<div class="wide trend">{of_trend}</div>
<h2>Clusters: beats of the same look</h2>
<p class="quiet">Mean beat and one standard deviation, 0.36 s to either side of the R peak. If all
beats of a cluster have the wrong label:
<code>python -m holter relabel FOLDER/{name} --cluster NUMBER LABEL</code></p>
<div class="looks">{figures}</div>
{_heat_section(of_heat)}<h2>What to look at first</h2>
<div class="wide"><table>{"".join(_rows(result))}</table></div>
<p class="quiet">{name}.review.tsv has all rows. Leads {escape(", ".join(result.leads))};
{result.fs:g} Hz. Model: {model or "not stated"}. Leadwise {__version__}.</p>
</body></html>
"""


def _heat_section(of_heat: Sequence[str]) -> str:
    if not of_heat:
        return ""
    figures = "".join(f"<figure>{drawing}</figure>" for drawing in of_heat)
    return f"""<h2>Where the network looked</h2>
<p class="quiet">The most typical beat of each cluster, 0.6 s to either side of the R peak, each
lead as network 2 reads it. The stronger the colour of a point, the more it raised the network's own
answer, N or V (Grad-CAM). Heat tells what the network used, not whether the answer is right.</p>
<div class="looks">{figures}</div>
"""


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """Give the numbers at the head of the page."""
    told = to_json(result)
    hours, minutes = divmod(round(result.seconds / 60), 60)
    yield "Length", f"{hours} h {minutes} min"
    yield "Beats", f"{len(result):,}"
    for label, title in (("V", "Ventricular"), ("S", "Supraventricular")):
        share = told["burden_percent"][label]
        yield title, f"{told['counts'][label]:,}" + (f" ({share:.2g} %)" if share else "")
    rate = told["rate"]
    if rate["median"] is not None:
        yield "Heart rate", f"{rate['median']:.0f} per min"
        yield "By minute", f"{rate['lowest_minute']:.0f} to {rate['highest_minute']:.0f}"
    for title, key in (("Longest RR", "longest_rr"), ("Shortest RR", "shortest_rr")):
        if told[key]:
            yield title, f"{told[key]['seconds']:.2f} s"
    yield "Pauses of 2 s or more", f"{len(told['pauses']):,}"
    for title, key in (("V runs", "runs"), ("V couplets", "couplets")):
        yield title, f"{len(told[key]['V']):,}"
    yield "Bigeminy", f"{len(told['bigeminy']):,}"
    yield "Noise", f"{told['noise_minutes']:.1f} min"


def _rows(result: Result) -> Iterator[str]:
    """Give the rows of the list as HTML."""
    yield "<tr>" + "".join(f"<th>{column}</th>" for column in COLUMNS) + "</tr>"
    for rank, row in enumerate(review(result)[:SHOWN], 1):
        shown = cells(rank, row, result)
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in shown) + "</tr>"
