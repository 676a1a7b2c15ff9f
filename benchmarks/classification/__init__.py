"""What `benchmarks.classify` is made of: the data, the methods that are compared, and the file of results."""
