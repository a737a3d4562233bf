"""Make the tables of README.md from the code that they describe: `make docs`; a test compares."""

from pathlib import Path

from ecg import LeadwiseError
from models import recipes_by_name
from training.settings import VARIABLES, read_settings

README = Path(__file__).resolve().parent.parent / "README.md"


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


def with_tables(text: str) -> str:
    """Put the tables between their marks: `<!-- settings -->` … `<!-- /settings -->`."""
    for name, table in (("settings", settings_table()), ("recipes", recipes_table())):
        text = put(text, name, table)
    return text


def put(text: str, name: str, table: str) -> str:
    """Put a table between its marks in a page's text."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    if not found or end not in rest:
        raise LeadwiseError(f"the page has no place for '{name}': add {begin.strip()} … {end}")
    return before + begin + table + "\n" + end + rest.partition(end)[2]


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
