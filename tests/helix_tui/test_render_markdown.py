"""Markdown from a stranger as lines: what is shown, how wide, and that nothing in it acts."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from helix_tui.render.code import LONGEST as LONGEST_CODE
from helix_tui.render.code import PLAIN, highlighted
from helix_tui.render.flow import Flow
from helix_tui.render.markdown import BRACKETS, LONGEST, Markdown, markdown, readable
from helix_tui.render.place import kept
from helix_tui.render.table import shares

PAGE = """# Title with *care*

Some **bold**, *italic*, ~~struck~~ and `code`,
on two lines.

* one
* two
    1. nested

7. seven
8. eight

> quoted
> > twice

| Name | Value |
|:-----|------:|
| a | 1 |
| 中文 | 22 |

---

```python
def f():
\treturn "x"  # why
```
"""
SHOWN = """Title with care

Some bold, italic, struck and code,
on two lines.

• one
• two
  1. nested

7. seven
8. eight

▎ quoted
▎
▎ ▎ twice

Name │ Value
─────┼──────
a    │     1
中文 │    22

────────────────────────────────────────
                                 python
 def f():
     return "x"  # why
"""


def shown(text: str, width: int = 40) -> str:
    return "\n".join(line.text.rstrip() for line in markdown(text, width))


def style_of(text: str, part: str, width: int = 40) -> str:
    runs = [run for line in markdown(text, width) for run in line.runs]
    return next(style for words, style in runs if part in words)


def test_a_page_of_everything() -> None:
    assert shown(PAGE).replace("─\n\n   ", "─\n   ") == SHOWN


def test_styles() -> None:
    assert style_of(PAGE, "Title") == "bold underline $accent"
    assert "italic" in style_of(PAGE, "care")
    assert style_of(PAGE, "bold").split() == ["bold"]
    assert style_of(PAGE, "struck").split() == ["strike"]
    assert style_of(PAGE, "code").startswith("$code-inline on")
    assert style_of(PAGE, "def") == "$code-keyword on $code-ground"
    assert style_of(PAGE, "why") == "italic $code-comment on $code-ground"
    assert "bold" in style_of(PAGE, "Value")


@pytest.mark.parametrize("width", [1, 5, 12, 13, 20, 33, 80])
def test_no_line_is_wider_than_the_view(width: int) -> None:
    wide = "| " + "a very wide cell | " * 6 + "\n|" + "-|" * 6 + "\n| " + "x | " * 6
    for text in (PAGE, wide, "word " * 50, "x" * 300, "中" * 99, "* " * 9 + "deep"):
        for line in markdown(text, width):
            assert cell_len(line.text) == line.cells
            assert cell_len(line.text.rstrip()) <= max(width, 2), (text[:20], line.text)


@pytest.mark.parametrize(
    "prose",
    [
        "One paragraph.",
        "Two\n\nparagraphs of words that go over the end of a line, and then over another one.",
        "Lines\nthat\nend early\n\nas in a poem,\nwith 中文 and 👩🏽‍🚀 and שלום עולם.",
    ],
)
def test_prose_is_as_tall_as_it_was_while_it_streamed(prose: str) -> None:
    for width in (20, 40, 100):
        flow = Flow(width)
        flow.extend([(prose, "draft")])
        assert [line.text for line in markdown(prose, width)] == [line.text for line in flow.lines]


def test_html_and_markup_stay_text() -> None:
    text = "<script>x</script> [bold]not markup[/] <b>b</b>\n\n<div>\nblock\n</div>"
    assert shown(text, 80) == text


def test_a_link_says_where_it_leads_and_cannot_be_clicked() -> None:
    text = "[safe](https://evil.example/a) <https://plain.example> ![pic](http://img.example/x.png)"
    assert shown(text, 200) == (
        "safe (https://evil.example/a) https://plain.example [image: pic] (http://img.example/x.png)"
    )
    assert all("click" not in style and "link(" not in style for line in markdown(text, 200) for _, style in line.runs)
    assert "javascript" in shown("[x](javascript:alert)", 80)


def test_control_characters_are_shown_harmlessly() -> None:
    text = "a\x1b[31mred &#27;[0m `\x07` \u202eright\n\n```sh\n\x1b]0;x\x07\n```\n\n[\x1b](http://\x1b)"
    everything = "".join(run for line in markdown(text, 60) for run, _ in line.runs)
    assert "␛[31mred" in everything and "␛]0;x␇" in everything
    assert not any(c < " " or "\x7f" <= c <= "\x9f" or c == "\u202e" for c in everything)


def test_entities_cannot_bring_control_characters_in() -> None:
    everything = "".join(run for line in markdown("&#27; &#x9b; &#x202e; &lrm;x &zwj;y", 60) for run, _ in line.runs)
    assert not any(c < " " or "\x7f" <= c <= "\x9f" or c == "\u202e" for c in everything)


def test_what_would_take_long_is_left_as_it_streamed() -> None:
    assert readable("word " * (LONGEST // 5)) and not readable("x" * (LONGEST + 1))
    assert readable("[" * BRACKETS) and not readable("![" * (BRACKETS + 1))
    assert highlighted("x = 1 # " * LONGEST_CODE, "python")[0][1] == PLAIN


def test_what_is_nested_too_deep_is_not_lost() -> None:
    text = "> " * 60 + "the end"
    assert "the end" in shown(text, 80)
    assert "the end" in shown("\n".join(" " * (2 * i) + "* the end" for i in range(40)), 80)


def test_big_tables_become_lists() -> None:
    big = "| a | b |\n|---|---|\n" + "| x | y |\n" * 1200
    assert shown(big, 80).startswith("a: x\nb: y\n\na: x")
    narrow = "| " + "name | " * 8 + "\n|" + "-|" * 8 + "\n| " + "x | " * 8
    assert shown(narrow, 30).startswith("name: x\nname: x")


def test_column_shares() -> None:
    assert shares([3, 5], 40) == [3, 5]
    assert shares([3, 50, 60], 43) == [3, 20, 20]
    assert shares([100], 7) == [7]


def test_an_unknown_language_and_an_open_fence_are_plain() -> None:
    assert highlighted("x", "no-such-language") == [("x", PLAIN)]
    assert "x = 1" in shown("```python\nx = 1")
    assert shown("", 40) == ""


def test_a_page_is_laid_out_once_a_width() -> None:
    page = Markdown("word " * 20)
    assert page.resize(20) and len(page.lines) == 5
    assert not page.resize(20)
    assert page.resize(50) and len(page.lines) == 2


def test_the_place_is_kept() -> None:
    before = {"a": (0, 10), "b": (10, 10), "c": (20, 10)}
    assert kept(12, before, {"a": (0, 4), "b": (4, 10), "c": (14, 10)}) == 6
    assert kept(12, before, {"a": (0, 10), "b": (10, 30), "c": (40, 10)}) == 12  # what grows below stays below
    assert kept(15, before, {"a": (0, 20), "b": (20, 20), "c": (40, 20)}, rewrapped=True) == 30
    assert kept(15, before, {"c": (0, 10)}) == 0
    assert kept(15, {}, before) == 15


def test_the_very_top_stays_the_very_top() -> None:
    """Above the first turn there is room: a view that shows it does not move when something below grows."""
    first, second = object(), object()
    before = {first: (1, 5), second: (7, 3)}
    assert kept(0, before, {first: (1, 9), second: (11, 3)}) == 0
    assert kept(2, before, {first: (1, 9), second: (11, 3)}) == 2
