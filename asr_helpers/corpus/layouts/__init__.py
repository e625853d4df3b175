"""How a corpus can lie in a folder, one module a layout."""
