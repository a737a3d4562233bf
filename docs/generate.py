"""Make the tables of README.md and docs/rules.md from the code: `make docs`; a test compares."""

from pathlib import Path

from ecg import LeadwiseError
from ecg.labels import class_name
from ecg.rules import RULES, Rule
from models import recipes_by_name
from training.settings import VARIABLES, read_settings

ROOT = Path(__file__).resolve().parent.parent
README, RULES_PAGE = ROOT / "README.md", ROOT / "docs" / "rules.md"


def settings_table() -> str:
    """Make the table of the settings."""
    defaults = read_settings({})
    rows = ["| variable | option | what | example | default |", "| --- | --- | --- | --- | --- |"]
    for name, entry in VARIABLES.items():
        default = getattr(defaults, entry.name)
        said, example = entry.metadata["said"], entry.metadata["example"]
        shown = "–" if default is None else f"`{default}`"
        rows.append(f"| `{name}` | `--{entry.name}` | {said} | `{example}` | {shown} |")
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
        f"**Yes** where {rule.said()}.", "",
        "| constant | value | source |", "| --- | --- | --- |", *rows, "",
        f"Source: {rule.source}.", "",
        f"![A record with {rule.name}](rules/{rule.name.replace(' ', '-')}.png)", "",
    ])  # fmt: skip


# What each page has between its marks: `<!-- settings -->` … `<!-- /settings -->`.
PAGES = {
    README: {"settings": settings_table, "recipes": recipes_table},
    RULES_PAGE: {"rules": rules_sections},
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
    before, found, rest = text.partition(begin)
    if not found or end not in rest:
        raise LeadwiseError(f"the page has no place for '{name}': add {begin.strip()} … {end}")
    return before + begin + table + "\n" + end + rest.partition(end)[2]


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(with_tables(each), encoding="utf-8")
