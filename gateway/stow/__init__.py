"""The wire: store requests, what archives answer, and what to do about each answer.

    multipart    bodies of several parts, written and read
    request      instances as a body to post
    address      where to store, where to look
    answer       what came back, in one form; `prose` for what is no DICOM
    codes        what archives' codes mean
    verdict      what an answer says of each instance
    lookup       is an instance in the archive?
    delivery     the way of each instance until it is known what became of it; `patience` for how long
    client       HTTP, with `auth`, `tls` and, for what goes wrong, `trouble`

Only `client` speaks HTTP. The embedded archive reads with `multipart` what others send.
"""
