"""What others may try with a studio, and how much of it comes through: ``python -m tests.attacks`` prints the table."""
