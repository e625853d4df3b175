"""What can be wrong with a corpus, one module a check."""
