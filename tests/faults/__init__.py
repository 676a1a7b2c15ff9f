"""What may happen to a studio, and whether anything is lost: ``python -m tests.faults`` prints the table."""
