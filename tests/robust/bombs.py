"""Small inputs that ask for much: each a spec, or a configuration, of at most a megabyte."""

from __future__ import annotations

import json

HEAD = """archspec: 1
name: bomb
vocab_size: 64
hidden_size: 32
context_length: 64
head: {tied: true}
"""
ATTENTION = "{type: attention, heads: 2, head_dim: 16}"
DENSE = "{type: dense, intermediate_size: 8, activation: silu, gated: true}"
BLOCK = f"{{mixer: {ATTENTION}, feedforward: {DENSE}}}"
ONE = f"{HEAD}blocks: {{a: {BLOCK}}}\nlayers: a\n"


def _joined(form: str, count: int, between: str = ", ") -> str:
    return between.join(form.format(i=i, j=i + 1) for i in range(count))


def _blocks(form: str, count: int, layers: str) -> str:
    lines = "".join(f"  b{i}: {form.format(i=i, before=i - 1)}\n" for i in range(1, count))
    return f"{HEAD}blocks:\n  b0: {BLOCK}\n{lines}layers: {layers}\n"


def _kinds(count: int) -> str:
    lines = "".join(f"  k{i}: {{mixer: {{window: {i + 1}}}}}\n" for i in range(count))
    start = f"{HEAD}defaults: {{mixer: {ATTENTION}}}\nblocks:\n{lines}"
    return f"{start}layers: [{_joined('k{i}', count)}]\n"


def _overridden(lines: str) -> str:
    return f"{ONE.replace('layers: a', 'layers: 4096 x a')}overrides:\n{lines}"


def _layers(schedule: str) -> str:
    return ONE.replace("layers: a\n", f"layers: {schedule}\n")


def _titled(title: str) -> str:
    return f"{ONE}title: {title}\n"


_HEADS = "{{mixer: {{type: attention, heads: 1048{i:03}, kv_heads: 524299, head_dim: 16}}}}"

REFUSED: dict[str, str] = {
    # Layers, and blocks that inherit.
    "a thousand kinds": _kinds(1000),
    "4,096 kinds": _kinds(4096),
    "a chain of 2,000": _blocks("{{extends: b{before}}}", 2000, "b1999"),
    "a chain that grows": _blocks("{{extends: b{before}, f{i}: 1}}", 250, "b249"),
    "a circle": f"{HEAD}blocks:\n"
    + "".join(f"  b{i}: {{extends: b{(i + 1) % 250}}}\n" for i in range(250))
    + "layers: b0\n",
    "wrong defaults": f"{HEAD}defaults: {{{_joined('f{i}: 1', 300)}}}\n"
    + _blocks("{{}}", 250, "b0").removeprefix(HEAD),
    "4,000 wrong blocks": _blocks("{{mixr: 1}}", 4000, "b0"),
    "250 wrong blocks": _blocks("{{mixr: 1}}", 250, "b0"),
    "heads near 2^20": _blocks(_HEADS, 250, "b0"),
    "4,096 overrides beside ranges": _overridden(
        "".join(f"  {i}: {{}}\n" for i in range(4066))
        + "".join(f"  0-{4000 + i}: {{}}\n" for i in range(30))
    ),
    "ranges within ranges": _overridden(
        "".join(f"  0-{4095 - i}: {{mixer: {{window: {i + 1}}}}}\n" for i in range(1000))
    ),
    "ranges beyond": _overridden("".join(f"  0-{99999 - i}: {{}}\n" for i in range(4000))),
    # Schedules.
    "unknown names": _layers(f"[{_joined('blokc_{i}', 4000)}]"),
    "unknown names in a line": _layers(_joined("x{i}", 30_000)),
    "4096 x 4096 x": _layers("4096 x " * 30_000 + "a"),
    "1 x 1 x": _layers("1 x " * 50_000 + "a"),
    "parentheses": _layers("(" * 500_000 + "a"),
    "commas and blanks": _layers("'" + "a," * 250_000 + " " * 500_000 + "'"),
    "much of much": _layers(f"[{_joined('4096 x a', 4000)}]"),
    # Counts.
    "a million modules": f"{ONE}mtp: {{depth: 1_048_576, block: a}}\n",
    "mixers side by side": f"{HEAD}blocks: {{a: {{mixer: [{', '.join([ATTENTION] * 1500)}]}}}}\n"
    "layers: a\n",
    "factors": ONE.replace(
        "head_dim: 16",
        "head_dim: 16, rope: {theta: 1e4, scaling: {type: longrope, original_context: 4, "
        f"attention_factor: 1.0, short_factors: [{_joined('1.0', 9000)}], long_factors: [1.0]}}}}",
    ),
    "stripes": ONE.replace(
        "heads: 2, head_dim: 16",
        "heads: 1048576, head_dim: 1, block_sparse: "
        "{size: 16, local: 1, stride: 1048575, shifted: true}",
    ),
    "unknown fields": ONE.replace("heads: 2", _joined("hedas{i}: 2", 4000)),
    "unknown fields at the top": ONE + _joined("f{i}: 1", 4000, "\n"),
    # YAML.
    "deep": "[" * 500_000,
    "deep mappings": "{a: " * 250_000,
    "deep by indent": "".join(" " * i + "a:\n" for i in range(1000)),
    "anchors": f"{ONE}about: [{_joined('&x{i} a', 40_000)}]\n",
    "aliases": ONE.replace("{mixer", "&x {mixer") + f"about: [{_joined('*x', 100_000)}]\n",
    "a chain of merges": "x0: &x0 {a: 1}\n"
    + "".join(f"x{i}: &x{i} {{<<: *x{i - 1}, k{i}: 1}}\n" for i in range(1, 300)),
    "one huge key": f"{ONE}? {'k' * 900_000}\n: 1\n",
    "long keys": ONE + "".join(f"{'k' * 1000}{i}: 1\n" for i in range(900)),
    "one key often": ONE + "a: 1\n" * 4000,
    "keys that are lists": "".join(f"[{i}]: 1\n" for i in range(2000)),
    "a million digits": ONE.replace("64", "9" * 1_000_000, 1),
    "a large exponent": f"{ONE}init_std: 1e{'9' * 30}\n",
    "infinities": f"a: [{_joined('.inf', 5_000)}]\n",
    "octal or not": f"a: [{_joined('010', 5_000)}]\n",
    "tags": "".join(f"a{i}: !x 1\n" for i in range(9000)),
    "documents": "---\n" * 250_000,
    "documents with specs": f"{ONE}---\n" * 3000,
    "zeros": "\0" * 100_000,
    # Text.
    "an enormous summary": f'{ONE}about: {{summary: "{"x" * 900_000}"}}\n',
    "words": _titled("a " * 200_000),
    "words in quotes": _titled(f'"{"a " * 100_000}"'),
    "escapes": _titled(f'"{chr(92)}n' + f"{chr(92)}n" * 100_000 + '"'),
    "lines": _titled("|\n" + "  a\n" * 50_000),
    "folded lines": _titled(">\n" + "  a\n\n" * 30_000),
    "lines of a plain text": _titled("a\n" + "  a\n" * 50_000),
}

TAKEN: dict[str, str] = {
    "256 kinds": _kinds(256),
    "a chain of 250": _blocks("{{extends: b{before}}}", 250, "b249"),
    "64 modules": f"{ONE}mtp: {{depth: 64, block: a}}\n",
    "blanks": ONE.removesuffix("\n") + " " * 1_000_000 + "\n",
    "empty lines": ONE + "\n" * 300_000,
    "tabs and blanks": ONE + " \t\n" * 100_000,
    "comments": ONE + "#\n" * 150_000,
    "an order without end": f"{HEAD}blocks: {{a: {BLOCK}, b: {BLOCK}}}\nlayers: ["
    + ", ".join("ab"[bin(i).count("1") % 2] for i in range(4096))
    + "]\n",
    "a window of 10^9": ONE.replace("head_dim: 16", "head_dim: 16, window: 1_000_000_000").replace(
        "context_length: 64", "context_length: 2_147_483_648"
    ),
    "ideographs": f'{_titled("模" * 200)}about: {{summary: "{"模" * 3999}"}}\n',
}

_LLAMA = {"model_type": "llama"}

CONFIGURATIONS: dict[str, str] = {
    "modules": json.dumps({"model_type": "deepseek_v3", "num_nextn_predict_layers": 1 << 40}),
    "modules by another name": json.dumps({"model_type": "glm4_moe", "num_mtp_layers": 1e12}),
    "layers": json.dumps({**_LLAMA, "num_hidden_layers": 1 << 40}),
    "types of layers": json.dumps(
        {
            "model_type": "gemma3_text",
            "num_hidden_layers": 4096,
            "layer_types": ["full_attention"] * 40_000,
        }
    ),
    "indices": json.dumps(
        {"model_type": "llama4_text", "num_hidden_layers": 4096, "moe_layers": [-1] * 200_000}
    ),
    "long names": json.dumps({"model_type": "gemma3_text", "layer_types": ["x" * 1000] * 900}),
    "options": json.dumps({**_LLAMA, **{f"hidden_sizes{i}": 1 for i in range(30_000)}}),
    "a type": json.dumps({"model_type": "x" * 900_000}),
    "classes": json.dumps({**_LLAMA, "architectures": ["A"] * 200_000}),
    "heads": json.dumps(
        {
            **_LLAMA,
            "num_attention_heads": 1 << 20,
            "hidden_size": 1 << 20,
            "num_key_value_heads": (1 << 19) + 1,
        }
    ),
    "factors": json.dumps(
        {
            "model_type": "phi3",
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0] * 90_000,
                "long_factor": [1.0] * 90_000,
            },
        }
    ),
    "digits": '{"model_type": "llama", "hidden_size": ' + "9" * 1_000_000 + "}",
    "deep lists": '{"model_type": "llama", "a": ' + "[" * 500_000,
    "deep objects": '{"a":' * 200_000,
    "deep and whole": '{"model_type": "llama", "a": ' + "[" * 900 + "]" * 900 + "}",
    "one key twice": "{" + ", ".join(f'"a{i}": 1' for i in range(60_000)) + ', "a0": 1}',
}

WIDE = ("256 kinds", "64 modules", "an order without end", "a window of 10^9", "ideographs")
"""Of those that are taken, what is large once it is read."""
