"""Small bugs that somebody could make, and the tests that notice them."""
