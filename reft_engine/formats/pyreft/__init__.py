"""The folders of pyreft 0.1.0 (and of pyvene, on which it stands): read from any of its versions, written so that it can load them.

pyreft keeps one ``intkey_KEY.bin`` per edit, a pickle, and a ``config.json`` that names the Python class of each. Nothing
of that is trusted here: class names are looked up in a list and never imported; for the pickles see `unpickling`.

pyreft does not store the positions, the activation or the dropout; whoever reads gives them. It names the group in the key:
``#0`` the prefix (or everything, where tied), ``#1`` the suffix. Its ``NodireftIntervention`` is the paper's DiReFT, and
its ``DireftIntervention`` is this engine's ``direft_orth``.
"""

from reft_engine.formats.pyreft.reading import read
from reft_engine.formats.pyreft.writing import write

__all__ = ["read", "write"]
