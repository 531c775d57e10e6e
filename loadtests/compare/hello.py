"""The least that Litestar can do, served as our API is: what its own share of a request costs."""

import sys

from litestar import Litestar, get

from app.edge.connections.serving import serve
from loadtests.compare.served import end_with_parent


@get("/", sync_to_thread=False)
def hello() -> dict[str, str]:
    """Say hello."""
    return {"hello": "world"}


if __name__ == "__main__":
    end_with_parent()
    app = Litestar([hello], openapi_config=None, logging_config=None)
    serve(app, "127.0.0.1", int(sys.argv[1]))
