"""Whether observations without a source give what no source gives."""
