"""Tables of speed and quality, each made by one command."""
