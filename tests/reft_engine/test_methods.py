"""The table of methods: its facts, written out once more by hand, and that all else agrees with it."""

import subprocess
import sys
from typing import get_args

import pytest

from reft_engine.formats.pyreft.classes import CLASSES
from reft_engine.methods import METHODS, free_form, title_of
from reft_engine.spec import Activation

FACTS = {  # title, pyreft's class, the class written for pyreft, orthonormal rows, learned source, subtracts P h, trained numbers
    "loreft": ("LoReFT", "LoreftIntervention", "LoreftIntervention", True, True, True, "2KD + K"),
    "direft": ("DiReFT", "NodireftIntervention", "DireftIntervention", False, True, False, "2KD + K"),
    "noreft": ("NoReFT", "NoreftIntervention", "DireftIntervention", False, True, True, "2KD + K"),
    "direft_orth": ("Orthogonal DiReFT", "DireftIntervention", "DireftIntervention", True, True, False, "2KD + K"),
    "consreft": ("ConsReFT", "ConsreftIntervention", "ConsreftIntervention", True, False, True, "KD + K"),
    "lobireft": ("LobiReFT", "LobireftIntervention", "LobireftIntervention", True, False, False, "KD + K"),
    "red": ("RED", None, None, False, False, False, "2D"),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_row_says_what_the_paper_and_pyreft_do(name):
    row = METHODS[name]
    choices = (row.orthonormal, row.learned_source, row.subtracts)
    assert (row.title, row.pyreft, row.pyreft_writes or row.pyreft, *choices, row.parameter_formula) == FACTS[name]
    assert row.name == name
    assert row.has_rank is (name != "red")


def test_no_two_methods_are_the_same():
    choices = [(row.has_rank, row.orthonormal, row.learned_source, row.subtracts) for row in METHODS.values()]
    assert len(set(choices)) == len(choices)


@pytest.mark.parametrize("name", METHODS)
def test_the_text_of_a_count_is_the_count(name):
    K, D = 5, 32
    count = {"2KD + K": 2 * K * D + K, "KD + K": K * D + K, "2D": 2 * D}[METHODS[name].parameter_formula]
    assert METHODS[name].parameters(K, D) == count
    sizes = {(K, D): K * D, (K,): K, (D,): D}
    assert sum(sizes[shape] for shape in METHODS[name].shapes(K, D).values()) == count


def test_the_free_form_of_an_orthonormal_method_has_the_same_formula():
    assert free_form(METHODS["loreft"]) is METHODS["noreft"]
    assert free_form(METHODS["direft_orth"]) is METHODS["direft"]
    assert [free_form(METHODS[name]) for name in ("noreft", "direft", "red")] == [None] * 3


def test_which_methods_can_be_the_identity_with_which_activation():
    found = {name: {act for act in get_args(Activation) if row.can_be_identity(act)} for name, row in METHODS.items()}
    every, curved = set(get_args(Activation)), set(get_args(Activation)) - {"sigmoid"}
    assert found["loreft"] == found["noreft"] == {"linear"}
    assert found["direft"] == found["direft_orth"] == curved
    assert found["consreft"] == set()
    assert "linear" in found["lobireft"] & found["red"] <= every


def test_what_is_written_for_pyreft_is_a_class_that_pyreft_loads():
    for row in METHODS.values():
        if row.pyreft:
            written = CLASSES[row.pyreft_writes or row.pyreft].method
            assert written.orthonormal and written.pyreft_writes is None


def test_a_method_of_a_later_version_is_shown_by_its_name():
    assert title_of("loreft") == "LoReFT"
    assert title_of("future") == "future"


@pytest.mark.process
def test_the_table_costs_no_torch():
    code = "import sys, reft_engine.methods, reft_engine.spec; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
