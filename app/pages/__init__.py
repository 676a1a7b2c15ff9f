"""The pages: layout and wiring only."""

from importlib import import_module

import gradio as gr

from app.components.html import PAGES
from app.services import Services


def build(services: Services) -> gr.Blocks:
    """All pages of the studio as one Gradio app; each is the module here that its path names, the first is Home."""
    with gr.Blocks(title="ReFT Studio", analytics_enabled=False, delete_cache=(3600, 3600)) as studio:
        import_module("app.pages.home").build(services)
    for path, name in PAGES[1:]:
        with studio.route(name, path, show_in_navbar=False):
            import_module(f"app.pages.{path}").build(services)
    return studio
