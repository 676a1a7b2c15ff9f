from tests.reft_engine import families


def test_x():
    assert len(families.DECODERS) == 21
