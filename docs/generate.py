"""Make the tables of README.md and of the pages from the code: `make docs`; a test compares."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from datasets.ludb import CLASS_OF, WITHOUT_CLASS
from ecg import LeadwiseError
from ecg.files import atomic_write
from ecg.labels import class_name, codes_by_name
from ecg.rules import RULES, Rule
from ecg.signals import Transform, butterworth_band_pass, fir_band_pass
from models import recipes_by_name
from models.recipe import Recipe
from training.settings import VARIABLES, read_settings

ROOT = Path(__file__).resolve().parent.parent
README, RULES_PAGE = ROOT / "README.md", ROOT / "docs" / "rules.md"
INDEX_PAGE, RECIPES_PAGE = ROOT / "docs" / "index.md", ROOT / "docs" / "recipes.md"
FILTERS_PAGE, TRANSFER_PAGE = ROOT / "docs" / "filters.md", ROOT / "docs" / "transfer.md"
HERTZ = (0, 0.1, 0.5, 1, 2, 3, 5, 10, 20, 40, 50, 55, 60, 65, 70)


def settings_table() -> str:
    """Make the table of the settings."""
    defaults = read_settings({})
    rows = ["| variable | option | what | example | default |", "| --- | --- | --- | --- | --- |"]
    for name, entry in VARIABLES.items():
        default = getattr(defaults, entry.name)
        text, example = entry.metadata["help"], entry.metadata["example"]
        option = f"--{entry.name.replace('_', '-')}"
        shown = "–" if default is None else f"`{default}`"
        rows.append(f"| `{name}` | `{option}` | {text} | `{example}` | {shown} |")
    return "\n".join(rows)


def systems_table() -> str:
    """Make the table of the systems."""
    of_system: dict[str, list[Recipe]] = {}
    for recipe in recipes_by_name().values():
        of_system.setdefault(recipe.system, []).append(recipe)
    rows = ["| system | recipes | source |", "| --- | --- | --- |"]
    for system, recipes in of_system.items():
        family, _, _ = recipes[0].name.partition("-")
        source, _, _ = recipes[0].source.partition(", section")
        rows.append(f"| {system} | {len(recipes)}, `{family}-…` | {source} |")
    return "\n".join(rows)


def recipes_table() -> str:
    """Make the table of the recipes."""
    rows = ["| recipe | what | source |", "| --- | --- | --- |"]
    rows += [
        f"| `{recipe.name}` | {recipe.summary} | {recipe.source} |"
        for recipe in recipes_by_name().values()
    ]
    return "\n".join(rows)


def rules_sections() -> str:
    """Describe each rule: criterion, leads, constants with their sources, a picture."""
    return "\n".join(_section(rule) for rule in RULES.values())


def _section(rule: Rule) -> str:
    sets = class_name(rule.codes[0])
    also = f"; the label {class_name(rule.codes[1])} counts as well" if rule.codes[1:] else ""
    rows = [
        f"| {name} | {constant.value:g} {constant.unit} | {constant.source} |"
        for name, constant in rule.constants.items()
    ]
    return "\n".join([
        f"### {rule.name}", "",
        f"{rule.title} ({sets}, SNOMED CT {rule.codes[0]}{also}). Leads: {rule.leads}.", "",
        f"**Yes**: {rule.criterion_text()}.", "",
        "| constant | value | source |", "| --- | --- | --- |", *rows, "",
        f"Source: {rule.source}.", "",
        f"![A record with {rule.name}](rules/{rule.name.replace(' ', '-')}.png)", "",
    ])  # fmt: skip


def gains_table() -> str:
    """Make the table of the filters' gains, both passes."""
    rows = [f"| filter, 0.5–60 Hz | {' | '.join(f'{hertz:g} Hz' for hertz in HERTZ)} |",
            "| --- " * (1 + len(HERTZ)) + "|"]  # fmt: skip
    for fs, order_s in ((500, 0.3), (500, 0.2), (500, 0.1), (100, 0.3)):
        step: Transform = partial(fir_band_pass, order_s=order_s)
        rows.append(_gains(f"FIR of {order_s:g} s at {fs} Hz", step, fs))
    rows += [_gains(f"Butterworth 5 at {fs} Hz", butterworth_band_pass, fs) for fs in (500, 100)]
    return "\n".join(rows)


def _gains(name: str, step: Transform, fs: int) -> str:
    """Measure a filter's gains by its response to an impulse in the middle of 40 s."""
    impulse = np.zeros((1, 40 * fs + 1))
    impulse[0, 20 * fs] = 1
    answer = step(impulse, fs, low_hz=0.5, high_hz=60)[0][0]
    time = np.arange(-20 * fs, 20 * fs + 1) / fs
    gains = [
        f"{abs(answer @ np.cos(2 * np.pi * hertz * time)):.3f}" if hertz <= fs / 2 else "–"
        for hertz in HERTZ
    ]
    return f"| {name} | {' | '.join(gains)} |"


def rates_table() -> str:
    """Make the table of rates, recipes that are alike together."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for recipe in recipes_by_name().values():
        alike.setdefault(_rates(recipe), []).append(f"`{recipe.name}`")
    rows = ["| reads at | filter | which needs records of | recipes |", "| --- | --- | --- | --- |"]
    rows += [f"| {' | '.join(rates)} | {', '.join(names)} |" for rates, names in alike.items()]
    return "\n".join(rows)


def _rates(recipe: Recipe) -> tuple[str, str, str]:
    filters = [step for step in recipe.transforms if "high_hz" in step.options]
    words = [f"{step.name}, {step.options['high_hz']:g} Hz" for step in filters]
    needed = [f"more than {2 * step.options['high_hz']:g} Hz" for step in filters]
    return f"{recipe.fs:g} Hz", "; ".join(words) or "none", "; ".join(needed) or "any rate"


def ludb_classes_table() -> str:
    """Make the table of LUDB's texts that are a class."""
    rows = ["| LUDB's text | class | SNOMED CT |", "| --- | --- | --- |"]
    rows += [f"| {text} | {name} | {codes_by_name()[name]} |" for text, name in CLASS_OF.items()]
    return "\n".join(rows)


def ludb_others_table() -> str:
    """Make the table of LUDB's texts that are none."""
    rows = ["| LUDB's text | why it is no class |", "| --- | --- |"]
    return "\n".join([*rows, *(f"| {text} | {why} |" for text, why in WITHOUT_CLASS.items())])


# The tables of each page, between their marks: `<!-- settings -->` … `<!-- /settings -->`.
PAGES = {
    README: {"settings": settings_table},
    INDEX_PAGE: {"systems": systems_table},
    RECIPES_PAGE: {"recipes": recipes_table},
    RULES_PAGE: {"rules": rules_sections},
    FILTERS_PAGE: {"gains": gains_table, "rates": rates_table},
    TRANSFER_PAGE: {"ludb-classes": ludb_classes_table, "ludb-others": ludb_others_table},
}


def with_tables(page: Path) -> str:
    """Give a page's text with its tables as the code has them."""
    text = page.read_text(encoding="utf-8")
    for name, table in PAGES[page].items():
        text = put(text, name, table())
    return text


def put(text: str, name: str, table: str) -> str:
    """Put a table between its marks in a page's text."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, mark, rest = text.partition(begin)
    if not mark or end not in rest:
        raise LeadwiseError(f"the page has no place for '{name}': add {begin.strip()} … {end}")
    return before + begin + table + "\n" + end + rest.partition(end)[2]


def write_tables(page: Path, tables: Mapping[str, Iterable[str]]) -> None:
    """Put tables between their marks in a page, or in a page of the folder of the same name.

    `docs/results.md` stands for itself and for `docs/results/*.md`.

    Raises
    ------
    LeadwiseError
        No page has the marks.
    """
    for name, rows in tables.items():
        inner = sorted(page.with_suffix("").glob("*.md"))
        marked = [one for one in (page, *inner) if f"<!-- {name} -->\n" in one.read_text("utf-8")]
        target = marked[0] if marked else page
        text = put(target.read_text(encoding="utf-8"), name, "\n".join(rows))
        with atomic_write(target) as draft:
            draft.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(with_tables(each), encoding="utf-8")
