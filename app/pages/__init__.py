"""The pages: layout and wiring only."""

import gradio as gr

from app.pages import data, home, playground, runs, train
from app.services import Services

_ROUTES = (("Data", "data", data), ("Train", "train", train), ("Runs", "runs", runs), ("Playground", "playground", playground))


def build(services: Services) -> gr.Blocks:
    """All pages of the studio as one Gradio app."""
    with gr.Blocks(title="ReFT Studio", analytics_enabled=False, delete_cache=(3600, 3600)) as studio:
        home.build(services)
    for name, path, page in _ROUTES:
        with studio.route(name, path, show_in_navbar=False):
            page.build(services)
    return studio
