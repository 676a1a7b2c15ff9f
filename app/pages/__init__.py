"""The pages: layout and wiring only."""

from importlib import import_module

import gradio as gr

from app.components.html import PAGES
from app.services import Services
from app.words import say


def build(services: Services) -> gr.Blocks:
    """All pages of the studio as one Gradio app; each is the module here that its path names, the first is Home."""
    with gr.Blocks(title=say("studio.name"), analytics_enabled=False, delete_cache=(3600, 3600)) as studio:
        import_module(f"app.pages.{PAGES[0]}").build(services)
    for page in PAGES[1:]:
        with studio.route(page, page, show_in_navbar=False):
            import_module(f"app.pages.{page}").build(services)
    return studio
