"""HTML pages of one file that loads nothing: one frame and one style for all of them.

A page's template lies in the `templates` folder of the package that writes it, and extends
`base.html`: it fills the block `content`, and `style` where it needs more than the common style.
"""

from __future__ import annotations

from typing import Any

__all__ = ["render"]


def render(package: str, template: str, title: str, **values: Any) -> str:
    """Write a page.

    Args:
        package: The package that the template belongs to, as `keras_seal.evaluation`.
        template: The template's file name.
        title: The page's title.
        **values: What the template shows. Text is escaped.

    Returns:
        The HTML.

    Examples:
        >>> page = render("keras_seal.evaluation", "comparison.html", "A & B", facts={}, tables=[])
        >>> "<h1>A &amp; B</h1>" in page
        True
    """
    import jinja2

    places = (jinja2.PackageLoader(name) for name in (package, __name__))
    environment = jinja2.Environment(loader=jinja2.ChoiceLoader(list(places)), autoescape=True)
    environment.filters["commas"] = lambda number: f"{number:,}"
    return environment.get_template(template).render(title=title, **values)
