"""HTML as text, and HTML made safe to show.

Text comes from one walk over the tree that also knows which of it is quoted history (`blockquote`, the header of an
Outlook reply and all that follows it), so that what the writer typed this time can be told without a second look.
"""

from __future__ import annotations

import html as entities
import re
from functools import lru_cache
from typing import Any

MAX_HTML = 3_000_000
"""Characters of HTML that are looked at."""
MAX_NODES = 150_000
MAX_NESTING = 3_000
MAX_TAG_SPACES = 5_000
"""Parsers take quadratic time beyond these; such HTML is read by its bare words."""

_TAG = re.compile(r"<(/?)([a-zA-Z]{1,20})([^<>]*)>?")
_OPEN_ENDED_NAMES = "p li td th tr dt dd option br img hr input meta link col wbr area base"
_OPEN_ENDED = frozenset(_OPEN_ENDED_NAMES.split())

_BLOCKS_NAMES = (
    "address article aside blockquote body center dd details div dl dt fieldset figure footer form h1 h2 h3 h4 "
    "h5 h6 header hr html li main nav ol p pre section summary table tbody tfoot thead tr ul"
)
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_PARAGRAPHS_NAMES = "p h1 h2 h3 h4 h5 h6 ul ol table blockquote pre dl"
_PARAGRAPHS = frozenset(_PARAGRAPHS_NAMES.split())
_SKIPPED_NAMES = "head style script title template noscript iframe object embed select textarea svg math"
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_QUOTES = frozenset({"gmail_attr", "moz-cite-prefix", "gmail_extra_quote", "protonmail_quote", "yahoo_quoted"})
_REST_IDS = frozenset(
    {"divRplyFwdMsg", "appendonsend", "OLK_SRC_BODY_SECTION", "mailru-quote", "zwchr", "replySplit", "reply-intro",
     "mail-editor-reference-message-container"}
)  # fmt: skip
_QUOTE_IDS = frozenset({"ms-outlook-mobile-signature"})
_REST_STYLES = (
    "border-top:solid #e1e1e1 1.0pt",
    "border-top:solid #b5c4df 1.0pt",
    "border:none;border-top:solid windowtext 1.0pt",
    "border-top:1pt solid #b5c4df",
    "border-top:#b5c4df 1pt solid",
    "border-top:#e1e1e1 1pt solid",
)


def is_bomb(source: str) -> bool:
    """Whether the nesting or the attributes of an HTML document are beyond what any program writes."""
    if source.count("<") < MAX_NESTING and len(source) < 50_000:
        return False
    depth = 0
    for tag in _TAG.finditer(source):
        if len(tag[3]) > MAX_TAG_SPACES and sum(map(tag[3].count, " \t\n\f\r/")) > MAX_TAG_SPACES:
            return True
        if tag[2].lower() in _OPEN_ENDED:
            continue
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > MAX_NESTING:
            return True
    return False


def _bare_words(source: str) -> str:
    return entities.unescape(re.sub(r"<[^<>]*>", "\n", source)).replace("\r", "")


def to_text(source: str) -> tuple[str, str]:
    """`(whole text, text without quoted history)` of an HTML document. Blocks become lines, links keep their words."""
    from selectolax.lexbor import LexborHTMLParser

    source = source[:MAX_HTML]
    if is_bomb(source):
        text = _bare_words(source)
        return text, text
    tree = LexborHTMLParser(source)
    root: Any = tree.body or tree.root
    if root is None:
        return "", ""
    whole, fresh = _Lines(), _Lines()
    quotes = 0
    rest = False
    ends: list[bool] = []
    node: Any = root
    seen = 0
    while True:
        seen += 1
        if seen > MAX_NODES:
            text = str(root.text(separator="\n"))
            return text, text
        tag = node.tag or "-"
        down = None
        quoting = False
        if tag == "-text":
            words = node.text_content or ""
            whole.say(words)
            if not quotes and not rest:
                fresh.say(words)
        elif tag[:1] not in "-_!" and tag not in _SKIPPED:
            if tag == "br":
                whole.end_line()
                if not quotes and not rest:
                    fresh.end_line()
            else:
                if tag in _BLOCKS:
                    whole.block(tag)
                    fresh.block(tag)
                    if tag == "hr":
                        whole.rule()
                elif tag in ("td", "th"):
                    whole.say(" ")
                    fresh.say(" ")
                attributes = node.attributes
                if tag == "blockquote" or attributes:
                    quoting, begins_rest = _history(tag, attributes)
                    rest = rest or (begins_rest and bool(fresh))
                if tag == "pre":
                    whole.literal += 1
                    fresh.literal += 1
                down = node.child
        if down is not None:
            quotes += quoting
            ends.append(quoting)
            node = down
            continue
        while True:
            # Nodes are not compared: selectolax compares their whole serialisations.
            if not ends:
                return whole.text(), fresh.text()
            following = node.next
            if following is not None:
                node = following
                break
            node = node.parent
            if ends.pop():
                quotes -= 1
            tag = node.tag or "-"
            if tag in _BLOCKS:
                whole.block(tag)
                fresh.block(tag)
                if tag == "pre":
                    whole.literal -= 1
                    fresh.literal -= 1


def _history(tag: str, attributes: dict[str, str | None]) -> tuple[bool, bool]:
    """Whether an element holds quoted history, and whether all after it does too."""
    if tag == "blockquote":
        return True, False
    name = attributes.get("id")
    if name:
        # Outlook puts x_ before the names of what it quotes.
        name = name.removeprefix("x_")
        if name in _REST_IDS:
            return False, True
        if name in _QUOTE_IDS:
            return True, False
    classes = attributes.get("class")
    if classes and not _QUOTES.isdisjoint(classes.replace("x_", "").split()):
        return True, False
    style = attributes.get("style")
    if style and "border" in style:
        folded = style.lower().replace(": ", ":").replace("; ", ";").replace("\n", "")
        return False, any(mark in folded for mark in _REST_STYLES)
    return False, False


class _Lines:
    """Text under construction: white space folded, blocks on lines of their own, paragraphs set apart."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._line: list[str] = []
        self.literal = 0

    def __bool__(self) -> bool:
        return any(self._done) or any(piece.strip() for piece in self._line)

    def say(self, words: str) -> None:
        if self.literal:
            first, *others = words.split("\n")
            self._line.append(first)
            for line in others:
                self.end_line()
                self._line.append(line)
        else:
            self._line.append(words)

    def end_line(self) -> None:
        line = "".join(self._line)
        self._done.append(line.rstrip() if self.literal else " ".join(line.split()))
        self._line.clear()

    def block(self, tag: str) -> None:
        if self._line:
            line = "".join(self._line)
            if line.strip():
                self.end_line()
            else:
                self._line.clear()
        if tag in _PARAGRAPHS and self._done and self._done[-1]:
            self._done.append("")

    def rule(self) -> None:
        self._done.append("-" * 30)

    def text(self) -> str:
        self.block("p")
        out: list[str] = []
        empty = 1
        for line in self._done:
            empty = 0 if line else empty + 1
            if empty < 3:
                out.append(line)
        return "\n".join(out).strip("\n")


_TAGS_NAMES = (
    "a abbr b bdi bdo blockquote br caption center code col colgroup dd del details dfn div dl dt em font h1 "
    "h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strike strong sub summary sup table "
    "tbody td tfoot th thead tr tt u ul var"
)
_TAGS = frozenset(_TAGS_NAMES.split())
_ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign"},
    "font": {"color"},
}
_LINKS = ("http://", "https://", "mailto:", "tel:")


@lru_cache(maxsize=1)
def _cleaner() -> Any:
    import nh3

    def keep(tag: str, attribute: str, value: str) -> str | None:
        folded = value.strip().lower()
        if attribute == "src":
            # Nothing may load from outside: a picture is a part of the mail or is not shown.
            return value if folded.startswith("cid:") else None
        if attribute == "href":
            return value if folded.startswith(_LINKS) else None
        return value

    return nh3.Cleaner(
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=keep,
        clean_content_tags={"script", "style", "title", "template", "noscript", "iframe", "textarea", "select"},
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def sanitise(source: str) -> str:
    """HTML that runs nothing and loads nothing: no scripts, styles, forms or outside pictures (`cid:` ones stay)."""
    source = source[:MAX_HTML]
    if is_bomb(source):
        return f"<pre>{entities.escape(_bare_words(source))}</pre>"
    return str(_cleaner().clean(source))
