"""View → the names that templates use. Every decision is taken here or beside a mechanism's spec,
none in a template.
"""

from __future__ import annotations

from typing import Any

from archspec.codegen import norms, step
from archspec.codegen.arguments import Call
from archspec.codegen.caches import cache_context
from archspec.codegen.captions import layers_caption, model_caption
from archspec.codegen.head import head_view
from archspec.codegen.initialization import initialization_view
from archspec.codegen.layers import LayerView
from archspec.codegen.loss import loss_context
from archspec.codegen.selftest import BESIDES, Compared, compared, length
from archspec.codegen.site import view_module
from archspec.codegen.stacks import EmbeddingView, layer_made, python_schedule
from archspec.codegen.trunk import Trunk, returned
from archspec.codegen.view import PackageView


def context(view: PackageView, package: str) -> dict[str, Any]:
    """Names and their values, for every template of one package that is imported as `package`."""
    a, embedding, encoder = view.architecture, view.embedding, view.encoder
    sinusoids = {e.sinusoids for e in _embeddings(view) if e.sinusoids}
    made: dict[str, Any] = {
        "header": f"# Built by archspec {view.version} from {view.spec_name}; "
        "edit the spec and build again.",
        "model": a.name,
        "package": package,
        "title": a.title,
        "summary": a.about.summary or "",
        "caption": layers_caption(a),
        "model_caption": model_caption(a),
        "causal": a.is_causal,
        "trains": a.is_causal and a.head is not None,
        "hidden_size": a.hidden_size,
        "vocab_size": a.vocab_size,
        "context_length": a.context_length,
        "initialization": initialization_view(a),
        "truncates": a.initialization.truncated,
        "drawn": " | ".join(["nn.Linear", "nn.Embedding", *_drawn(view)]),
        "e": embedding,
        "rounds": any(e.rounds for e in _embeddings(view)),
        "vectors": embedding.vectors,
        "positions": embedding.length,
        "sinusoids": sorted(sinusoids, key=lambda s: s.name),
        "encoder": encoder,
        "mtp": view.mtp,
        "head": head_view(a.head, a.vocab_size, embedding.widens) if a.head else None,
        "generate": view.generate,
        "layer_classes": view.layers,
        "layers_cache": bool(view.caches),
        "schedule": python_schedule(a.schedule, view.classes),
        "members": view.members,
        "rotaries": list(view.rotaries.values()),
        "pairings": {rotary.pairing for rotary in view.rotaries.values()},
        "growth": view.growth,
        **_step(view),
        **_forward(view),
        **_selftest(view),
        **cache_context(a, view.caches, view.layers),
        **loss_context(a.vocab_size),
    }
    # Complete only now that everything with a norm or a rotation has been made.
    made |= view.own_norms.context | view.turned.context
    made["reads_weights"] = _reads_weights(view, made)
    return made | {"imports": _imports(view, made)}


def _drawn(view: PackageView) -> list[str]:
    """The classes of mechanisms whose matrices the model draws."""
    return sorted({name for m in view.modules.values() for name in getattr(m, "drawn", ())})


def _reads_weights(view: PackageView, made: dict[str, Any]) -> bool:
    """Whether something reads the weight of a module where that is as good as a call."""
    absorbs = any(getattr(module, "absorbs", False) for module in view.modules.values())
    tied = view.architecture.head is not None and view.architecture.head.tied
    return bool(made["trains"] or tied or absorbs or made["norm_adding"] or made["norm_turns"])


def _embeddings(view: PackageView) -> list[EmbeddingView]:
    return [view.embedding, *([view.encoder.embedding] if view.encoder else [])]


def _adds_positions(view: PackageView) -> bool:
    """Whether anything reads absolute positions as they are."""
    added = any(e.reads_positions for e in _embeddings(view))
    return added or any(body.reads_positions() for body in view.architecture.mechanisms)


def _counts(view: PackageView) -> bool:
    """Whether anything reads absolute positions, or turns by them."""
    return _adds_positions(view) or bool(view.rotaries)


def _step(view: PackageView) -> dict[str, Any]:
    """The fields of a step, and the statements that they come from."""
    a, modules = view.architecture, list(view.modules.values())
    positions = _adds_positions(view)
    common = [*a.stack.common, *(a.encoder.common if a.encoder else ())]
    bounds = {getattr(m, "bounds", "step.spans") for m in modules if getattr(m, "kernel", None)}
    spanned = "step.spans" in bounds
    read = [step.source(a.hidden_size), step.SOURCE_REAL]
    rotaries = list(view.rotaries.values())
    kept = [mechanism.state() for mechanism in a.mechanisms] if a.is_causal else []
    settles = any(state.window or state.fixed or state.exact for state in kept)
    lengths = any(rotary.reads_length for rotary in rotaries)
    # Beside a layer that sees ahead too a choice of earlier tokens asks where texts start.
    chooses = any(mask.view == "best" for m in a.mechanisms if (mask := m.mask()))
    return {
        "packs": a.packs,
        "bounded": not bounds.isdisjoint(("step.bounds", "step.source_bounds")),
        "spanned": spanned,
        "settles": settles,
        "keeps": any(state.fixed or state.exact for state in kept),
        "continues": a.is_causal,
        "starts": "step.starts" if a.is_causal else "None",
        "counts_positions": _counts(view),
        "counting": step.counting(a.packs, a.is_causal, _counts(view), lengths),
        "step_fields": [
            *([step.STARTS, step.ENDS] if a.is_causal else [step.STARTS] * chooses),
            step.REAL,
            *([step.WRITES] if settles else []),
            *([step.OPENS] if a.packs else []),
            *([step.SPANS if a.packs else step.PREFIX_SPANS] if spanned else []),
            *([step.BOUNDS] if "step.bounds" in bounds else []),
            *([step.POSITIONS] if positions else []),
            *([step.LENGTH] if lengths else []),
            *([step.PREFIX] if view.prefixes else []),
            *(read if a.encoder else []),
            *([step.SOURCE_BOUNDS] if "step.source_bounds" in bounds else []),
            *([step.SHARED] if a.taken else []),
            *([step.TABLES] if common else []),
            *(step.rotation(rotary) for rotary in rotaries),
        ],
    }


def _watched(view: PackageView) -> list[str]:
    """The modules whose classes call a function for attention, with queries, keys and values."""
    looks = {type(body) for body in view.modules if body.mask()}
    return sorted(view_module(kind).FILE.removesuffix(".py") for kind in looks)


def _forward(view: PackageView) -> dict[str, Any]:
    """The arguments of the forward pass, the way through the layers, and its end."""
    a, prefixes = view.architecture, view.prefixes
    e, head, grows = view.embedding, a.head is not None, view.growth is not None
    prefix, more = "", ", prefix=prefix_length" if prefixes else ""
    counts = _counts(view)
    call = Call(e.width, e.token_types, head, positions=counts, both=e.vectors is not None)
    if view.encoder:
        kind, prefix = "pair", "decoder_"
        more = ", source=source, source_real=source_real"
        arguments = call.pair(view.reads, a.hidden_size)
    elif a.is_causal:
        kind, arguments = "decoder", call.decoder(a.mtp, prefixes, a.packs)
        more += ", texts=text_ids" if a.packs else ""
    else:
        kind, arguments = "encoder", call.encoder()
    more += f", position_ids={prefix}position_ids" if counts else ""
    trunk = Trunk(
        kind=kind,
        ids=f"{prefix}input_ids",
        mask=f"{prefix}attention_mask",
        arguments=tuple(arguments),
        embedding=e,
        reads=view.reads,
        norm=a.final_norm is not None,
        cached=a.is_causal and bool(view.caches),
        grows=grows,
        more=more + step.tables_passed(a.stack.common),
    )
    read = [argument for argument in arguments if not argument.of_head]
    return {
        "kind": kind,
        "arguments": arguments,
        "read": read,
        "passed": ", ".join(argument.name for argument in read),
        "returned": returned(a.vocab_size if head else None, a.is_causal),
        "reads": view.reads,
        "prefixes": prefixes,
        "tables": step.tables_passed(a.stack.common),
        "trunk": trunk,
        "counted": trunk.counted,
        "traces": kind != "pair",
        "watched": _watched(view),
        "last_only": head and a.is_causal,
        "result": "result_losses" if a.mtp else "result_loss",
    }


MANY = 250_000_000
"""Numbers of stacked experts from which on a check of their layer does not hold each."""


def _selftest(view: PackageView) -> dict[str, Any]:
    """How kinds of layers are compared with themselves."""
    a, vectors = view.architecture, view.embedding.vectors
    common = a.stack.common
    alone = [layer for layer in view.layers if layer.alone]
    # Beside a layer that sees ahead, one that does not keeps nothing and decodes no more than it.
    continues = [layer for layer in alone if layer.decodes and a.is_causal]
    decoding = _compared(
        view,
        continues,
        vector=("TOKENS", vectors.own.width) if vectors else None,
        source=a.hidden_size if a.encoder else None,
        common=common,
        cached=bool(view.caches),
        grows=view.growth is not None,
    )
    reading = _compared(
        view,
        [layer for layer in alone if layer not in continues],
        vector=("TOKENS + 3", vectors.own.width) if vectors and not a.encoder else None,
        common=a.encoder.common if a.encoder else common,
    )
    masks = [mask for body in a.mechanisms if (mask := body.mask())]
    windows = [mask.reach or 0 for mask in masks]
    patterns = [mask.blocks.settles for mask in masks if mask.blocks]
    said = [("a text at once, and token by token", decoding)]
    said += [("a text alone, and with padding", reading)]
    return {
        "decoding": decoding,
        "reading": reading,
        "comparisons": [words for words, kinds in said if kinds.classes],
        "length": length(windows, [*patterns, *_tokens_of_forms(view)]),
        "many": MANY,
        "heavy": any(len(p.shape) == 3 and p.size > MANY for p in a.parameters()),
    }


def _tokens_of_forms(view: PackageView) -> list[int]:
    """How many tokens show all forms of each mechanism that says so, less those that are added."""
    checks = (check for mechanism in view.modules for check in view_module(type(mechanism)).CHECKS)
    return [check.tokens - BESIDES for check in checks if check.tokens]


def _compared(view: PackageView, layers: list[LayerView], **given: Any) -> Compared:
    classes = [layer.class_name for layer in layers]
    return compared(classes, layer_made("kind", "0", classes, view.deep), **given)


def _imports(view: PackageView, made: dict[str, Any]) -> list[dict[str, Any]]:
    """What model.py takes from its neighbours."""
    a = view.architecture
    checks = ["check_labels", "check_positions", "check_tokens", "embedded"]
    found: dict[str, list[str]] = {"checks": checks}
    found |= {"step": ["Step", "make_step", "text_spans"]}
    for mechanism, module in view.modules.items():
        file = view_module(type(mechanism)).FILE.removesuffix(".py")
        found.setdefault(file, []).extend((module.class_name, *getattr(module, "drawn", ())))
    if made["norms"]:
        found["norm"] = ["add_norm", *(norms.OWN[kind] for kind in made["norms"])]
    found["plain"] = ["table"]
    if a.initialization.truncated:
        found["draw"] = ["truncated_normal"]
    if made["rounds"]:
        found["scaled"] = ["scaled"]
    if made["sinusoids"]:
        found["positions"] = [sinusoids.name for sinusoids in made["sinusoids"]]
    found["padding"] = ["front"]
    if made["causal"]:
        found["cache"] = ["Cache", *view.caches]
    if made["trains"]:
        found["loss"] = ["head_loss", "next_labels", "token_loss"]
    return [{"module": module, "names": names} for module, names in found.items()]
