"""The entry point of ``python -m app.cli``, the command line without the installed command."""

import sys

from app.cli.main import main

sys.exit(main())
