"""Gluon's kernels run on a CPU, without its compiler: one program at a time, its warps in turns."""
