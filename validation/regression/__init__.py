"""Whether an artifact still is what a committed baseline says: masks, latency, memory, size, operators, manifest.

``observation`` looks at an artifact, ``baseline`` keeps what was seen in a file, ``judging`` holds one to
the other by ``limits``; ``devices`` does the same with what apps measured. docs/regression.md describes it.
"""
