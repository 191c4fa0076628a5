"""The commands in the order of the help. What they need is imported when they run."""

from __future__ import annotations

from archspec.cli.app import app
from archspec.cli.bench import bench
from archspec.cli.kernels import kernels
from archspec.cli.numbers import diff, inspect
from archspec.cli.outputs import build, draw
from archspec.cli.specs import check, import_, new, schema, shrink

app.command()(new)
app.command()(check)
app.command()(draw)
app.command()(inspect)
app.command()(build)
app.command()(kernels)
app.command()(bench)
app.command()(diff)
app.command()(shrink)
app.command("import")(import_)
app.command()(schema)

__all__ = ["app"]
