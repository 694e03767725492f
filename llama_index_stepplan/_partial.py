"""Objects that are still arriving: a twin of a Pydantic class in which every field may be missing."""

import functools
import types
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, Union, cast, get_args, get_origin

from llama_index.core.program.utils import FlexibleModel
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from stepplan.integration.objects import find_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

M = TypeVar("M", bound=BaseModel)


class PartialReader(Generic[M]):
    """Reads an object in text that grows.

    Text over 32 characters is read again only when it has grown by a further 1/32: that keeps a stream linear.
    """

    def __init__(self, output_cls: type[M]) -> None:
        self._output_cls = output_cls
        self._next = 1
        self._seen: dict[str, Any] = {}

    def read(self, text: str) -> M | FlexibleModel | None:
        """The object so far, if there is more of it than before: the class itself as soon as it is valid."""
        if len(text) < self._next:
            return None
        self._next = len(text) + max(1, len(text) // 32)
        seen = find_object(text, partial=True)
        if not seen or seen == self._seen:
            return None
        self._seen = seen
        try:
            return self._output_cls.model_validate(seen)
        except ValidationError:
            return partial_class(self._output_cls).model_validate(seen)


@functools.lru_cache(maxsize=256)
def partial_class(cls: type[BaseModel]) -> type[FlexibleModel]:
    """A class with the same fields, each of which may be missing, half there, or a partial object itself."""
    fields: dict[str, Any] = {
        name: (
            Annotated[Any, AfterValidator(functools.partial(_to_part, field.annotation))],
            Field(default=None, alias=field.alias),
        )
        for name, field in cls.model_fields.items()
    }
    return create_model(f"Partial{cls.__name__}", __base__=_Partial, **fields)


class _Partial(FlexibleModel):
    model_config = ConfigDict(extra="allow", validate_by_name=True)


def _to_part(annotation: Any, value: Any) -> Any:
    """A value as the annotation has it, as far as that can be told: models become partial ones, at any depth."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _to_part(arguments[0], value)
    if origin in {Union, types.UnionType}:
        members = [member for member in arguments if member is not type(None)]
        return _to_part(members[0], value) if len(members) == 1 else value
    if isinstance(value, list) and arguments:
        return [_to_part(arguments[0], item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, dict) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return partial_class(annotation).model_validate(value)
    if isinstance(value, dict) and origin is dict:
        return {key: _to_part(arguments[1], item) for key, item in cast("Mapping[str, Any]", value).items()}
    return cast("Any", value)
