"""``reft-studio serve``: reads the flags and starts `app.serve`, the web process."""

import argparse


def serve(options: argparse.Namespace) -> int:
    """Start the pages."""
    from app.serve import serve as run_server
    from app.settings import read_settings

    flags = {"host": options.host, "port": options.port, "data_dir": options.data_dir, "people": options.people}
    settings = read_settings(**{name: value for name, value in flags.items() if value is not None})
    return run_server(settings, browser=not options.no_browser)
