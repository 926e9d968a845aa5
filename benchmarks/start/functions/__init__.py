"""Functions as one writes them without a framework, with which `make bench-start` compares Penstock's.

`make bench-start` copies this folder into an unzipped artifact, beside the libraries that both sides use.
"""
