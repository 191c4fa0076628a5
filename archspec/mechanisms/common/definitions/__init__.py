"""What the definitions of several mechanisms are made of, in float64 and from the equations alone.

A definition is written from the papers and from the README of its mechanism, slowly and obviously,
and shares nothing with what is built: it imports torch and math. Tests hold every form of every
mechanism to it, and functions of it are copied into the selftest of packages. Nothing else of
archspec imports it, which works without torch.
"""
