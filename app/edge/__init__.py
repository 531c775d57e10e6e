"""What a request passes from its socket to Litestar; `layers` has the order."""
