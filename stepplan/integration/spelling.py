"""How arguments are spelled: aliases, arguments of other APIs, and what a misspelt name may have meant."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stepplan.errors import InvalidRequestError

ALIASES: Mapping[str, str] = {
    "model_name": "model",
    "max_completion_tokens": "max_tokens",
    "stop_sequences": "stop",
    "model_kwargs": "extra_body",
    "max_tokens_to_sample": "max_tokens",
    "max_output_tokens": "max_tokens",
    "request_timeout": "timeout",
    "default_request_timeout": "timeout",
    "max_concurrent_requests": "max_concurrency",
    "api_base": "base_url",
    "openai_api_base": "base_url",
    "step_api_base": "base_url",
    "stepfun_api_base": "base_url",
    "step_base_url": "base_url",
    "stepfun_base_url": "base_url",
    "openai_proxy": "proxy",
    "anthropic_proxy": "proxy",
    "openai_api_key": "api_key",
    "step_api_key": "api_key",
    "stepfun_api_key": "api_key",
    # Each of these two pairs has one name for a model and one for a call, or one in each framework.
    "extra_headers": "default_headers",
    "default_headers": "extra_headers",
    "async_http_client": "http_async_client",
    "http_async_client": "async_http_client",
}
"""Other names of arguments, as other classes of the frameworks call them. A name that is an argument is no alias."""

_AS_IT_IS = "The plan does not document it. extra_body sends it as it is."
_REASONING = "The plan's models always reason; reasoning_effort says how much."
_OWN_ADDRESS = "Use base_url, or region; the default is the plan's address."
_OWN_KEY = "Use api_key, with a key of StepFun."
_OWN_CLIENT = "Use http_client, and its async counterpart, with httpx clients."
_ONLY_WHAT_IS_SET = "Only what you set is sent: leave it out."
_NO_TOKENIZER = "StepFun publishes no tokenizer; count_tokens asks the server."

_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(
        ("anthropic_api_url", "endpoint", "azure_endpoint", "endpoint_url", "api_url", "host"), _OWN_ADDRESS
    ),
    **dict.fromkeys(
        ("anthropic_api_key", "deepseek_api_key", "google_api_key", "groq_api_key", "mistral_api_key"), _OWN_KEY
    ),
    **dict.fromkeys(("organization", "openai_organization", "project"), "The key determines the account."),
    **dict.fromkeys(("use_responses_api", "use_previous_response_id"), "The plan has no Responses API."),
    **dict.fromkeys(("disabled_params", "drop_params"), _ONLY_WHAT_IS_SET),
    **dict.fromkeys(("tiktoken_model_name", "tokenizer"), _NO_TOKENIZER),
    **dict.fromkeys(("api_version", "default_query"), "Requests have no query: leave it out."),
    **dict.fromkeys(("openai_api_type", "openai_api_version"), "The plan has one API: leave it out."),
    **dict.fromkeys(("proxies", "http_proxy", "https_proxy"), "Use proxy."),
    **dict.fromkeys(("web_search", "web_search_options", "enable_search"), "Offer {'type': 'web_search'} as a tool."),
    **dict.fromkeys(("client", "async_client", "root_client"), _OWN_CLIENT),
    **dict.fromkeys(("effort", "enable_thinking", "include_thoughts", "thinking_dict", "thinking_level"), _REASONING),
    "callbacks": "Use callback_manager.",
    "is_chat_model": "It is one.",
    "num_predict": "Use max_tokens.",
    "reuse_client": "All models share connections.",
    "should_use_structured_outputs": "Where the protocol has response formats, structured output uses them.",
    "streaming": "Call the method that streams.",
    "audio": "The plan's models answer in text only.",
    "best_of": "A request returns one answer: send several requests.",
    "betas": "The plan has no beta features.",
    "budget_tokens": _REASONING,
    "cache_control": "The plan caches prompts by itself.",
    "function_call": "Use tool_choice.",
    "functions": "Use tools.",
    "include_reasoning": _REASONING,
    "modalities": "The plan's models answer in text only.",
    "n": "A request returns one answer: send several requests.",
    "output_config": "Use reasoning_effort.",
    "prompt_cache_key": "The plan caches prompts by itself.",
    "reasoning": _REASONING,
    "stream": "Call the method that streams.",
    "stream_options": "Use stream_usage.",
    "system": "Give a system message.",
    "thinking": _REASONING,
    "thinking_budget": _REASONING,
    **dict.fromkeys(
        (
            "logit_bias",
            "logprobs",
            "metadata",
            "min_p",
            "presence_penalty",
            "random_seed",
            "reasoning_format",
            "repetition_penalty",
            "safety_identifier",
            "safety_settings",
            "safe_mode",
            "seed",
            "service_tier",
            "store",
            "top_logprobs",
            "user",
            "verbosity",
        ),
        _AS_IT_IS,
    ),
}
"""Arguments of other APIs, with what to do here instead."""

_ASKS_FOR_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "betas": ([], ()),
    "functions": ([], ()),
    "is_chat_model": (True,),
    "reuse_client": (True,),
    "should_use_structured_outputs": (True,),
    "include_reasoning": (True,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "n": (1,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "stream": (False,),
    "streaming": (False,),
    "safe_mode": (False,),
    "use_responses_api": (False,),
    "top_logprobs": (0,),
}
"""Their values that ask for nothing but what happens here anyway, beside `None`. Programs pass them at every call."""


def own_names(
    given: Mapping[str, Any],
    known: Collection[str],
    advice: Mapping[str, str],
    of_model: Collection[str] = (),
) -> dict[str, Any]:
    """The arguments under their own names, without those of other APIs that ask for nothing.

    Args:
        given: Arguments as the caller wrote them.
        known: The names of the arguments there are.
        advice: What to do about names that are not among them.
        of_model: Names that are arguments of the model alone, if these are of a call.

    Raises:
        InvalidRequestError: A name is not known, or an argument is given under two names.
    """
    named: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in given.items():
        own = name if name in known else ALIASES.get(name, name)
        if own not in known:
            is_unset = value is None and (name in advice or own in of_model)
            if not is_unset and not _asks_for_nothing(name, value):
                unknown.append(name)
        elif named.get(own) is None:
            named[own] = value
        elif value is not None:
            raise InvalidRequestError(f"{own!r} is given twice: {' and '.join(_spellings(own, given))}.")
    if unknown:
        raise InvalidRequestError(" ".join(_sentence(name, known, advice, of_model) for name in sorted(unknown)))
    return named


def _asks_for_nothing(name: str, value: Any) -> bool:
    return name in _ADVICE and (value is None or value in _ASKS_FOR_NOTHING.get(name, ()))


def _spellings(own: str, given: Iterable[str]) -> list[str]:
    return [name for name in given if name == own or ALIASES.get(name) == own]


def _letters(name: str) -> str:
    """The name as it is in every convention: `topP`, `TOP_P`, `top-p` and `top_p` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _sentence(name: str, known: Collection[str], advice: Mapping[str, str], of_model: Collection[str]) -> str:
    if name in of_model or ALIASES.get(name) in of_model:
        return f"{name!r} is an argument of the model, and not of one call."
    if found := advice.get(name) or _ADVICE.get(name):
        return f"{name!r} is not known here. {found}"
    spellings = [*known, *(alias for alias, own in ALIASES.items() if own in known)]
    by_letters = {_letters(spelling): spelling for spelling in reversed(spellings)}
    near = [by_letters[found] for found in difflib.get_close_matches(_letters(name), by_letters, n=1, cutoff=0.7)]
    meant = f": did you mean {near[0] if near[0] in known else ALIASES[near[0]]!r}?" if near else "."
    return f"{name!r} is not known{meant} Fields to send as they are go into extra_body={{...}}."
