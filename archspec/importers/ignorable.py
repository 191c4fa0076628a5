"""Options that every configuration may carry and that change nothing a spec describes."""

from __future__ import annotations

_BOOKKEEPING = """
    _attn_implementation _attn_implementation_autoset _commit_hash _name_or_path
    attn_implementation experts_implementation
    finetuning_task id2label label2id language license model_type name_or_path num_labels
    output_past problem_type task_specific_params tf_legacy_loss tokenizer_class
    transformers_version unsloth_fixed unsloth_version
"""

# How the model is run, stored or returned: its outputs are the same numbers.
_RUNNING = """
    chunk_size_feed_forward dtype gradient_checkpointing output_attentions output_hidden_states
    return_dict tie_last_hidden_states torch_dtype torchscript use_bfloat16 use_cache
"""

# Dropout is off at inference, which is what a spec and its checkpoint are compared by.
_TRAINING = """
    attention_dropout classifier_dropout dropout embd_dropout hidden_dropout resid_dropout
"""

_TOKENS = """
    bos_token_id decoder_start_token_id eos_token_id pad_token_id prefix sep_token_id
"""

# What `generation_config.json` took over; older files carry it in `config.json`.
_GENERATION = """
    assistant_confidence_threshold assistant_lookbehind bad_words_ids begin_suppress_tokens
    diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size
    encoder_repetition_penalty epsilon_cutoff eta_cutoff exponential_decay_length_penalty
    forced_bos_token_id forced_eos_token_id length_penalty max_length max_new_tokens min_length
    no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule num_beam_groups
    num_beams num_return_sequences output_scores remove_invalid_values repetition_penalty
    return_dict_in_generate suppress_tokens target_lookbehind temperature top_k top_p typical_p
"""

IGNORABLE = frozenset(" ".join((_BOOKKEEPING, _RUNNING, _TRAINING, _TOKENS, _GENERATION)).split())

ONLY: dict[str, object] = {
    "add_cross_attention": False,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "per_layer_config": {},
    "pruned_heads": {},
    "tie_encoder_decoder": False,
}
"""Options with the one value that means off."""
