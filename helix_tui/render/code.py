"""Program text in colours of the theme."""

from __future__ import annotations

from .flow import Run
from .text import safe

LONGEST = 20_000
"""Characters that are highlighted; lexers are regular expressions, and this text is a stranger's."""
PLAIN = "$code-text"
STYLES = {
    "Comment": "italic $code-comment",
    "Keyword": "$code-keyword",
    "Operator.Word": "$code-keyword",
    "Name.Function": "$code-name",
    "Name.Class": "bold $code-name",
    "Name.Decorator": "$code-name",
    "Name.Builtin": "$code-name",
    "Name.Tag": "$code-keyword",
    "Name.Attribute": "$code-name",
    "Literal.String": "$code-string",
    "Literal.Number": "$code-number",
    "Name.Constant": "$code-number",
    "Generic.Deleted": "$rejected",
    "Generic.Inserted": "$accepted",
    "Generic.Heading": "bold $code-name",
    "Generic.Subheading": "$code-keyword",
}
"""By Pygments' name of the token or of the nearest family that has one here."""


def highlighted(code: str, language: str) -> list[Run]:
    """Runs of the code's text; plain for a language that nobody knows. The language is named, never guessed."""
    code = safe(code)
    if not language or len(code) > LONGEST:
        return [(code, PLAIN)]
    # Here and not above: the first picture does not wait for it.
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return [(code, PLAIN)]
    return [(text, _style(str(kind).removeprefix("Token."))) for kind, text in lexer.get_tokens(code) if text]


def _style(kind: str) -> str:
    while kind:
        if kind in STYLES:
            return STYLES[kind]
        kind = kind.rpartition(".")[0]
    return PLAIN
