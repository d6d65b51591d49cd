"""Reaching a partner: over links that it opens, at the endpoint that it serves, and its presence by either.

`matching` pairs answers with requests and knows no I/O; `link` is one open stream, `links` all of them; `dialled` calls
endpoints; `partners` chooses and speaks the words of `hub.app.ports.partners`; `presence` tells who can be reached.
"""
