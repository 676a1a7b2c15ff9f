"""Files: adapter folders, pyreft's folders, and writing them atomically."""
