"""View → the names that templates use. Every decision is taken here or beside a mechanism's spec,
none in a template.
"""

from __future__ import annotations

from typing import Any

from archspec.codegen import forward, norms, step
from archspec.codegen.caches import cache_context
from archspec.codegen.captions import layers_caption, model_caption
from archspec.codegen.head import head_view
from archspec.codegen.layers import LayerView
from archspec.codegen.loss import loss_context
from archspec.codegen.rotary import apart
from archspec.codegen.selftest import BESIDES, Compared, compared, length
from archspec.codegen.site import view_module
from archspec.codegen.stacks import EmbeddingView, layer_made, python_schedule
from archspec.codegen.view import PackageView

RESULT = "templates/package/{}.py.jinja"


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
        "init_std": a.init_std,
        "drawn": " | ".join(["nn.Linear", "nn.Embedding", *_drawn(view)]),
        "e": embedding,
        "vectors": embedding.vectors,
        "positions": embedding.length,
        "sinusoids": sorted(sinusoids, key=lambda s: s.name),
        "encoder": encoder,
        "mtp": view.mtp,
        "head": head_view(a.head, a.vocab_size) if a.head else None,
        "generate": view.generate,
        "layer_classes": view.layers,
        "layers_cache": bool(view.caches),
        "schedule": python_schedule(a.schedule, view.classes),
        "members": view.members,
        "rotaries": list(view.rotaries.values()),
        "pairings": {rotary.pairing for rotary in view.rotaries.values()},
        "apart": apart(view.rotaries.values()),
        "growth": view.growth,
        **_step(view),
        **_forward(view),
        **_selftest(view),
        **cache_context(a, view.caches, view.layers),
        **loss_context(a.vocab_size, view.encoder is not None),
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


def _step(view: PackageView) -> dict[str, Any]:
    """The fields of a step, and the statements that they come from."""
    a, modules = view.architecture, list(view.modules.values())
    positions = any(e.reads_positions for e in _embeddings(view))
    positions = positions or any(mechanism.reads_positions() for mechanism in a.mechanisms)
    common = [*a.stack.common, *(a.encoder.common if a.encoder else ())]
    bounds = {getattr(m, "bounds", "step.spans") for m in modules if getattr(m, "kernel", None)}
    spanned = "step.spans" in bounds
    read = [step.source(a.hidden_size), step.SOURCE_REAL]
    rotaries = list(view.rotaries.values())
    counts = positions or bool(rotaries)
    kept = [mechanism.state() for mechanism in a.mechanisms] if a.is_causal else []
    settles = any(state.window or state.fixed or state.exact for state in kept)
    lengths = any(rotary.reads_length for rotary in rotaries)
    return {
        "packs": a.packs,
        "bounded": not bounds.isdisjoint(("step.bounds", "step.source_bounds")),
        "spanned": spanned,
        "settles": settles,
        "keeps": any(state.fixed or state.exact for state in kept),
        "continues": a.is_causal,
        "starts": "step.starts" if a.is_causal else "None",
        "counting": step.counting(a.packs, a.is_causal, counts, lengths),
        "step_fields": [
            *([step.STARTS, step.ENDS] if a.is_causal else []),
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


def _forward(view: PackageView) -> dict[str, Any]:
    """The arguments of the forward pass, the way through the layers, and its end."""
    a, prefixes = view.architecture, view.prefixes
    head, types, ids = a.head is not None, a.embedding.token_types, "input_ids"
    tables = step.tables_passed(a.stack.common)
    start, more, result = "start", ", prefix=prefix_length" if prefixes else "", "result_states"
    mask = "attention_mask"
    if view.encoder:
        kind, ids, mask = "pair", "decoder_input_ids", "decoder_attention_mask"
        more = ", source=source, source_real=source_real"
        arguments = forward.pair_arguments(view.reads, a.hidden_size, head)
    elif a.is_causal:
        kind = "decoder"
        arguments = forward.decoder_arguments(types, head, a.mtp, prefixes, a.packs)
        more += ", texts=text_ids" if a.packs else ""
    else:
        kind, start = "encoder", "0"
        arguments = forward.encoder_arguments(types)
    if head:
        result = "result_losses" if a.mtp else "result_loss" if a.is_causal else "result_logits"
    cached, grows = a.is_causal and bool(view.caches), view.growth is not None
    way = forward.way(view.embedding, ids, a.final_norm is not None, head, cached, grows)
    starts = "cache.lengths if cache is not None else None"
    starts = f", {'starts' if grows else starts}" if a.is_causal else ""
    count = f"{ids}.shape[1]" if grows else "tokens"
    given = f"{start}, {count}, real, x{starts}{more}{tables}"
    trains = head and a.is_causal
    return {
        "kind": kind,
        "arguments": arguments,
        "beside": forward.beside(arguments),
        "returned": forward.returned(a.vocab_size if head else None, a.is_causal),
        "reads": view.reads,
        "prefixes": prefixes,
        "tables": tables,
        "trunk": {
            "ids": ids,
            "named": f', "{ids}"' if ids != "input_ids" else "",
            "step": given,
            "lines": way,
            "reread": forward.reread(ids, bool(types), prefixes) if grows else [],
        },
        "measures": not a.mtp or bool(view.embedding.length) or prefixes,
        "fronting": forward.fronting(ids, mask, bool(types), a.packs, trains),
        "back": "\n".join(forward.BACK),
        "counted": "\n".join(forward.counted(view.encoder is not None) if a.is_causal else []),
        "result": RESULT.format(result),
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
    windows = [mask.window or mask.chunk or 0 for mask in masks]
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
    found: dict[str, list[str]] = {"checks": ["check_ids", "check_labels", "unknown_id"]}
    found |= {"step": ["Step", "make_step", "text_spans"]}
    for mechanism, module in view.modules.items():
        file = view_module(type(mechanism)).FILE.removesuffix(".py")
        found.setdefault(file, []).extend((module.class_name, *getattr(module, "drawn", ())))
    if made["norms"]:
        found["norm"] = ["add_norm", *(norms.OWN[kind] for kind in made["norms"])]
    found["plain"] = ["table"]
    if made["sinusoids"]:
        found["positions"] = [sinusoids.name for sinusoids in made["sinusoids"]]
    found["padding"] = ["front"]
    if made["causal"]:
        found["cache"] = ["Cache", *view.caches]
    if made["trains"]:
        found["loss"] = ["head_loss", "next_token_loss"]
    return [{"module": module, "names": names} for module, names in found.items()]
