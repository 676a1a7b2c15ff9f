"""Facts about base models before they are loaded: the catalogue, local folders, the Hub and its cache. Imports no torch."""
