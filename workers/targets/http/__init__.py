"""The HTTP/1.1 client that rings targets: egress rules, names, TLS, kept connections, bounds."""
