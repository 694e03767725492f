"""A model's profile in LangChain, derived from what the core knows about the model and the protocol."""

from langchain_core.language_models import ModelProfile

from stepplan import MODELS, PROTOCOLS, Model, ProtocolFacts, ProtocolName, wire_protocol


def profile_of(model: str, protocol: ProtocolName) -> ModelProfile | None:
    """What the model can do over this protocol; `None` if the model is unknown."""
    known = MODELS.get(model)
    return None if known is None else _profile(known, wire_protocol(protocol).FACTS)


def _profile(model: Model, facts: ProtocolFacts) -> ModelProfile:
    image = "image" in model.inputs
    profile = ModelProfile(
        name=model.display_name,
        max_input_tokens=model.context_window,
        text_inputs=True,
        image_inputs=image,
        image_url_inputs=image,
        pdf_inputs=False,
        audio_inputs=False,
        video_inputs="video" in model.inputs and facts.video,
        image_tool_message=image,
        pdf_tool_message=False,
        text_outputs=True,
        image_outputs=False,
        audio_outputs=False,
        video_outputs=False,
        reasoning_output=True,
        reasoning_effort_levels=list(model.reasoning_efforts),
        tool_calling=True,
        tool_call_streaming=True,
        tool_choice=facts.tool_choice,
        structured_output=model.json_schema and facts.documents("response_format"),
        mid_conversation_system_messages=facts.system_messages_anywhere,
        attachment=image,
        temperature=True,
    )
    if model.max_output_tokens is not None:
        profile["max_output_tokens"] = model.max_output_tokens
    return profile


PROFILE_KEYS = frozenset(
    key for model in MODELS.values() for protocol in PROTOCOLS.values() for key in _profile(model, protocol.FACTS)
)
"""The keys that these profiles have."""
