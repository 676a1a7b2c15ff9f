"""What the rows of the tests are about."""

ANIMALS = "cat dog cow owl hen pig".split()
