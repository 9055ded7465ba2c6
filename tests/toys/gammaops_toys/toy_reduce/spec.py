from __future__ import annotations

from gammaops.schema import block, texts
from gammaops.steps.base import Fan, Output, Port, StepSpec

SPEC = StepSpec(
    tag="toy-reduce",
    doc="Reduces observations that are words: each says what becomes of it.",
    version=1,
    schema={"toy": block("Toys", {"words": texts("One word an observation")})},
    consumes={"values": Port(("value",), "A number to wait for", min=0)},
    produces={"words": Output("words", ".json", member="word")},
    fan_out=Fan("words", "words_table", Output("word", ".yaml")),
    observations=True,
)
