"""No stage and no template knows a model's name: only importers, specs and prose do."""

from __future__ import annotations

import re

from conftest import ROOT

from archspec.language.wording import words

SOURCES = sorted(
    path
    for pattern in ("*.py", "*.jinja")
    for path in (ROOT / "archspec").rglob(pattern)
    if "importers" not in path.parts
)
# fmt: off
FAMILIES = [
    "afmoe", "apertus", "arcee", "bailing", "bart", "bert", "bloom", "cohere", "dbrx",
    "deepseek", "dots1", "ernie", "exaone", "falcon", "flint", "gemma", "glm", "gpt-2", "gpt2",
    "gpt-oss", "gpt_oss", "gpt_neo", "gptj", "granite", "helium", "hunyuan", "jamba", "kimi",
    "laguna", "lfm2", "llama", "longcat", "mellum", "minicpm", "minimax", "mistral",
    "mixtral", "mpt", "nanochat", "nemotron", "neox", "olmo", "opt", "phi", "qwen", "seed_oss",
    "smollm", "solar", "stablelm", "starcoder", "t5", "whisper", "youtu", "zamba",
]
# fmt: on
# `llama3` is what everybody calls a way to stretch rotary positions.
PATTERN = re.compile(
    rf"(?<![a-z0-9_])(?!llama3\b)({'|'.join(FAMILIES)})(?:[\d._-]*\d)?(?![a-z0-9_])"
)


def test_no_model_is_named() -> None:
    named: dict[str, set[str]] = {}
    for path in SOURCES:
        text = path.read_text(encoding="utf-8").lower()
        # A command's example may name a file in the gallery.
        text = re.sub(r"gallery/[a-z0-9.*-]+|example: .*", "", text)
        if found := {match[1] for match in PATTERN.finditer(text)}:
            named[str(path.relative_to(ROOT))] = found
    assert SOURCES and named == {}


def test_words_of_a_class_keep_what_is_written_in_capitals() -> None:
    said = {name: words(name) for name in ("SlidingAttention", "RGLRU", "RGLRUBlock", "Mamba2")}
    assert said == {
        "SlidingAttention": "sliding attention",
        "RGLRU": "RGLRU",
        "RGLRUBlock": "RGLRU block",
        "Mamba2": "mamba2",
    }
