"""What a person writes down of a run: its name, tags and notes; the notes are Markdown, shown without anything that loads or runs."""

from markdown_it import MarkdownIt

from app.services import Services
from storage import RunRecord

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").enable("strikethrough").disable("image")
_LINK = ("http://", "https://", "mailto:")


def describe(services: Services, run_id: str, name: str, tags: str, notes: str) -> RunRecord:
    """Change name, tags (with commas between them) and notes of a run. Raises StorageError."""
    run = services.storage.runs.annotate(run_id, tags=(tags or "").split(","), notes=notes or "")
    return services.storage.runs.rename(run_id, name) if (name or "").strip() and name != run.name else run


def rendered(notes: str) -> str:
    """Notes as HTML: Markdown without HTML of its own and without images, whose links lead to the web or to a mail address."""
    if not notes.strip():
        return ""
    tokens = _MARKDOWN.parse(notes)
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                if not str(child.attrGet("href") or "").lower().startswith(_LINK):
                    child.attrSet("href", "#")
                child.attrSet("rel", "noreferrer noopener")
                child.attrSet("target", "_blank")
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))
