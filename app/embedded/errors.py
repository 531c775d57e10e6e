"""What goes wrong with embedded servers, in words for the person at the terminal."""


class EmbeddedServerError(RuntimeError):
    """An embedded server could not be set up, started or stopped; the message says what to do."""


class DirectoryInUseError(EmbeddedServerError):
    """Another process runs on this data directory."""
