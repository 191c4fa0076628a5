"""Times the kernels of built packages and whole models beside their peers, and checks them first.

These files import torch, Triton and one another, by relative imports, and nothing of archspec:
`make gpu-kit` copies them as they are beside packages, to run where archspec is not installed.
"""
