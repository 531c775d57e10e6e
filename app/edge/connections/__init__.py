"""HTTP/1.1 from sockets, bounded in bytes and time, with an end that loses no request."""
