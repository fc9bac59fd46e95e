"""The wire: multipart bodies, requests, answers, credentials, and the client that stores over DICOMweb.

`client` is what the pipeline calls and the only module that speaks HTTP. `multipart` has no part in
that: it is bytes in, events out, and the embedded archive reads with it what others send.
"""
