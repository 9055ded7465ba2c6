"""Light curve of one source."""
