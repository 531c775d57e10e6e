#!/bin/sh
# httptools 0.9.0 (llhttp): two Content-Length headers that agree are an error, however lenient.
#
# Guess: RFC 9110, 8.6, lets a client take equal values for one; a lenient parser will.
#
# In words: an answer with the same length twice is refused, with the usual parser and with each of
# its leniencies. The status has been told by then, the headers are not complete: whoever wants to
# know how such an answer ended has to keep what `on_status` and the parser know so far.
#
# Output seen; the script ends with 1 if it differs:
#   usual: HttpParserError, status 200, headers complete: no
#   lenient: HttpParserError, status 200, headers complete: no
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$work/lib" httptools==0.9.0
PYTHONPATH="$work/lib" python3 - <<'PYTHON'
import sys

import httptools

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"


class Seen:
    complete = "no"

    def on_headers_complete(self):
        self.complete = "yes"


def ends(lenient):
    seen = Seen()
    parser = httptools.HttpResponseParser(seen)
    if lenient:
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_keep_alive=True,
            lenient_transfer_encoding=True,
            lenient_version=True,
            lenient_data_after_close=True,
            lenient_optional_lf_after_cr=True,
            lenient_optional_cr_before_lf=True,
            lenient_optional_crlf_after_chunk=True,
            lenient_spaces_after_chunk_size=True,
        )
    try:
        parser.feed_data(ANSWER)
        end = "taken"
    except httptools.HttpParserError as error:
        end = type(error).__name__
    return f"{end}, status {parser.get_status_code()}, headers complete: {seen.complete}"


told = [f"usual: {ends(False)}", f"lenient: {ends(True)}"]
print("\n".join(told))
same = "HttpParserError, status 200, headers complete: no"
sys.exit(told != [f"usual: {same}", f"lenient: {same}"])
PYTHON
