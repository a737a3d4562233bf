"""Make the tables of README.md and of the pages: `make docs`; a test compares.

A table between marks, `<!-- NAME -->` and `<!-- /NAME -->`, comes from the code (`PAGES`), or from
a stored result: `tables/NAME.tsv` beside the page, which the command of the result writes.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from datasets.ludb import CLASS_OF, WITHOUT_CLASS
from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.labels import POLICIES, class_name, codes_by_name
from ecg.rules import RULES, Rule
from ecg.signals import Transform, butterworth_band_pass, fir_band_pass
from models import lookup, recipes_by_name
from models.recipe import Part, Recipe
from training.settings import VARIABLES, read_settings

ROOT = Path(__file__).resolve().parent.parent
README, RULES_PAGE = ROOT / "README.md", ROOT / "docs" / "rules.md"
INDEX_PAGE, RECIPES_PAGE = ROOT / "docs" / "index.md", ROOT / "docs" / "recipes.md"
FILTERS_PAGE, TRANSFER_PAGE = ROOT / "docs" / "filters.md", ROOT / "docs" / "transfer.md"
HERTZ = (0, 0.1, 0.5, 1, 2, 3, 5, 10, 20, 40, 50, 55, 60, 65, 70)


def table(head: str, rows: Iterable[str]) -> list[str]:
    """Make a Markdown table from lines `a | b`.

    Examples
    --------
    >>> table("side | ms", ["ours | 5"])
    ['| side | ms |', '| --- | --- |', '| ours | 5 |']
    """
    return [f"| {row} |" for row in (head, " | ".join(["---"] * len(head.split(" | "))), *rows)]


def settings_table() -> list[str]:
    """Make the table of the settings."""
    defaults = read_settings({})
    rows = []
    for name, entry in VARIABLES.items():
        default = getattr(defaults, entry.name)
        text, example = entry.metadata["help"], entry.metadata["example"]
        option = f"--{entry.name.replace('_', '-')}"
        shown = "–" if default is None else f"`{default}`"
        rows.append(f"`{name}` | `{option}` | {text} | `{example}` | {shown}")
    return table("variable | option | what | example | default", rows)


def systems_table() -> list[str]:
    """Make the table of the systems."""
    of_system: dict[str, list[Recipe]] = {}
    for recipe in recipes_by_name().values():
        of_system.setdefault(recipe.system, []).append(recipe)
    rows = []
    for system, recipes in of_system.items():
        family, _, _ = recipes[0].name.partition("-")
        source, _, _ = recipes[0].source.partition(", section")
        rows.append(f"{system} | {len(recipes)}, `{family}-…` | {source}")
    return table("system | recipes | source", rows)


def recipes_table() -> list[str]:
    """Make the table of the recipes; weights are those of the network of the first lead set."""
    rows = (
        f"`{one.name}` | {one.summary} | {_weights(one) / 1e6:.1f} M | {one.source}"
        for one in recipes_by_name().values()
    )
    return table("recipe | what | weights | source", rows)


def _weights(recipe: Recipe) -> int:
    """Count the weights of a recipe's first network."""
    from models.network import skeleton  # torch, which the peers' environment does not have

    classes = {head.name: POLICIES[head.classes]([["1"]]) for head in recipe.heads}
    network = skeleton(recipe, recipe.lead_sets[0], classes)
    return sum(weight.numel() for weight in network.parameters())


def rules_sections() -> list[str]:
    """Describe each rule: criterion, leads, constants with their sources, a picture."""
    return [line for rule in RULES.values() for line in _section(rule)]


def _section(rule: Rule) -> list[str]:
    label = class_name(rule.codes[0])
    also = f"; the label {class_name(rule.codes[1])} counts as well" if rule.codes[1:] else ""
    rows = [
        f"{name} | {constant.value:g} {constant.unit} | {constant.source}"
        for name, constant in rule.constants.items()
    ]
    return [
        f"### {rule.name}", "",
        f"{rule.title} ({label}, SNOMED CT {rule.codes[0]}{also}). Leads: {rule.leads}.", "",
        f"**Yes**: {rule.criterion_text()}.", "",
        *table("constant | value | source", rows), "",
        f"Source: {rule.source}.", "",
        f"![A record with {rule.name}](rules/{rule.name.replace(' ', '-')}.png)", "",
    ]  # fmt: skip


def gains_table() -> list[str]:
    """Make the table of the filters' gains, forward and backward pass together."""
    rows = []
    for fs, order_s in ((500, 0.3), (500, 0.2), (500, 0.1), (100, 0.3)):
        fir: Transform = partial(fir_band_pass, order_s=order_s)
        rows.append(_gains(f"FIR of {order_s:g} s at {fs} Hz", fir, fs))
    rows += [_gains(f"Butterworth 5 at {fs} Hz", butterworth_band_pass, fs) for fs in (500, 100)]
    return table(f"filter, 0.5–60 Hz | {' | '.join(f'{hertz:g} Hz' for hertz in HERTZ)}", rows)


def _gains(name: str, transform: Transform, fs: int) -> str:
    """Measure a filter's gains by its response to an impulse in the middle of 40 s."""
    impulse = np.zeros((1, 40 * fs + 1))
    impulse[0, 20 * fs] = 1
    response = transform(impulse, fs, low_hz=0.5, high_hz=60)[0][0]
    time = np.arange(-20 * fs, 20 * fs + 1) / fs
    gains = [
        f"{abs(response @ np.cos(2 * np.pi * hertz * time)):.3f}" if hertz <= fs / 2 else "–"
        for hertz in HERTZ
    ]
    return f"{name} | {' | '.join(gains)}"


def rates_table() -> list[str]:
    """Make the table of sampling rates; recipes with equal cells share a row."""
    names_by_rates: dict[tuple[str, str, str], list[str]] = {}
    for recipe in recipes_by_name().values():
        names_by_rates.setdefault(_rates(recipe), []).append(f"`{recipe.name}`")
    rows = (f"{' | '.join(rates)} | {', '.join(names)}" for rates, names in names_by_rates.items())
    return table("reads at | filter | which needs records of | recipes", rows)


def _rates(recipe: Recipe) -> tuple[str, str, str]:
    edges = [(part.name, _upper_edge(recipe, part)) for part in recipe.transforms]
    filters = [(name, edge) for name, edge in edges if edge]
    words = [f"{name}, {edge:g} Hz" for name, edge in filters]
    needed = [f"more than {2 * edge:g} Hz" for _, edge in filters]
    return f"{recipe.fs:g} Hz", "; ".join(words) or "none", "; ".join(needed) or "any rate"


def _upper_edge(recipe: Recipe, part: Part) -> float:
    """Give the frequency above which a transform removes content; 0 if it is no such filter."""
    parameters = inspect.signature(lookup(recipe, "TRANSFORMS", part.name)).parameters
    name = next((name for name in ("high_hz", "pass_hz") if name in parameters), "")
    return float(part.options.get(name, parameters[name].default)) if name else 0.0


def ludb_classes_table() -> list[str]:
    """Make the table of LUDB's texts that are a class."""
    rows = (f"{text} | {name} | {codes_by_name()[name]}" for text, name in CLASS_OF.items())
    return table("LUDB's text | class | SNOMED CT", rows)


def ludb_others_table() -> list[str]:
    """Make the table of LUDB's texts that are no class."""
    return table("LUDB's text | why it is no class", map(" | ".join, WITHOUT_CLASS.items()))


# The tables of each page that the code gives.
PAGES = {
    README: {"settings": settings_table},
    INDEX_PAGE: {"systems": systems_table},
    RECIPES_PAGE: {"recipes": recipes_table},
    RULES_PAGE: {"rules": rules_sections},
    FILTERS_PAGE: {"gains": gains_table, "rates": rates_table},
    TRANSFER_PAGE: {"ludb-classes": ludb_classes_table, "ludb-others": ludb_others_table},
}


def pages() -> list[Path]:
    """List all pages that may have tables."""
    return [README, *sorted((ROOT / "docs").rglob("*.md"))]


def with_tables(page: Path) -> str:
    """Return a page's text with the tables that the code and the stored results give.

    Raises
    ------
    LeadwiseError
        A table has neither code nor a stored result.
    """
    text, made = page.read_text(encoding="utf-8"), PAGES.get(page, {})
    for name in re.findall(r"^<!-- ([a-z0-9-]+) -->$", text, re.MULTILINE):
        text = put(text, name, made[name]() if name in made else read_stored(stored(page, name)))
    return text


def put(text: str, name: str, lines: Iterable[str]) -> str:
    """Replace the lines between the marks of a table in a page's text."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, mark, rest = text.partition(start)
    if not mark or end not in rest:
        raise LeadwiseError(f"the page has no place for '{name}': add {start.strip()} … {end}")
    return before + start + "\n".join(lines) + "\n" + end + rest.partition(end)[2]


def stored(page: Path, name: str) -> Path:
    """Path of the stored result of a page's table."""
    return (ROOT / "docs" if page == README else page.parent) / "tables" / f"{name}.tsv"


def read_stored(path: Path) -> list[str]:
    """Make the lines of a page from a stored result.

    A line with tabs is a row of a table, the first of successive ones its head; others are text.

    Raises
    ------
    LeadwiseError
        The file does not exist.
    """
    if not path.exists():
        raise LeadwiseError(f"{path}: does not exist; which command makes the table {path.stem}?")
    lines: list[str] = []
    for row in path.read_text(encoding="utf-8").splitlines():
        cells, head = row.split("\t"), not (lines and lines[-1].startswith("|"))
        lines += [row] if len(cells) == 1 else table(" | ".join(cells), [])[: 2 if head else 1]
    return lines


def stored_rows(lines: Iterable[str]) -> Iterator[str]:
    """Turn a page's lines into those of a stored result, the inverse of `read_stored`."""
    for line in lines:
        cells = re.split(r" \|(?= |$)", line[1:])[:-1] if line.startswith("| ") else [line]
        row = "\t".join(cell.strip() for cell in cells)
        if set(row.split("\t")) != {"---"}:
            yield row


def write_tables(page: Path, tables: Mapping[str, Iterable[str]]) -> None:
    """Store tables, and replace them in a page, or in a page of the folder of the same name.

    With `docs/results.md` a table may be in that page or in one of `docs/results/*.md`.

    Raises
    ------
    LeadwiseError
        No page has the marks, or a table has no row; then no page is changed.
    """
    candidates = [page, *sorted(page.with_suffix("").glob("*.md"))]
    texts = {one: one.read_text(encoding="utf-8") for one in candidates}
    changed: dict[Path, str] = {}
    for name, lines in tables.items():
        lines = list(lines)
        rows = list(stored_rows(lines))
        sizes = [len(list(group)) for of_table, group in groupby(rows, _is_row) if of_table]
        if not rows or 1 in sizes:
            raise LeadwiseError(f"{name}: there is no result for this table; no page is changed")
        target = next((one for one in candidates if f"<!-- {name} -->\n" in texts[one]), page)
        changed[stored(target, name)] = "\n".join(rows) + "\n"
        changed[target] = texts[target] = put(texts[target], name, lines)
    for path, text in changed.items():
        _write(path, text)


def _is_row(line: str) -> bool:
    return "\t" in line


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")


def main() -> None:
    """Write the pages whose tables have changed."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    try:
        texts = {page: with_tables(page) for page in pages()}
        for page, text in texts.items():
            if text != page.read_text(encoding="utf-8"):
                _write(page, text)
    except (LeadwiseError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
