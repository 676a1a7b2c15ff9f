"""The folders of pyreft 0.1.0 (built on pyvene): reads those of any version, writes folders that 0.1.0 loads.

pyreft saves one pickle ``intkey_KEY.bin`` per edit, and a ``config.json`` that names the Python class of each. None of it
is trusted: class names are looked up in a list and never imported; see `unpickling` for the pickles.

pyreft does not store the positions, the activation or the dropout; the caller supplies them. The key names the group:
``#0`` for the prefix (or everything, where tied), ``#1`` for the suffix. Its ``NodireftIntervention`` is the paper's DiReFT, and
its ``DireftIntervention`` is this engine's ``direft_orth``.
"""

from reft_engine.formats.pyreft.reading import read
from reft_engine.formats.pyreft.writing import write

__all__ = ["read", "write"]
