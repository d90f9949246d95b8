"""Weights files: no damage crashes a reader, fills the memory or gives more than one line."""

import json
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from pipeline.base.errors import PipelineError
from pipeline.models.card import FORMAT, Card, read_card

FACTS = {"model": "conv_tasnet", "arguments": {}, "num_sources": 2, "sample_rate": 8000}
WHOLE = save({"a": np.ones(5, np.float32)}, {"format": FORMAT, "card": json.dumps(FACTS)})
sizes = st.sampled_from([0, 1, 100, 2**31, 2**40, 2**63, 2**64 - 1]).map(
    lambda n: struct.pack("<Q", n)
)


@given(st.data())
def test_a_damaged_weights_file_has_a_card_or_is_refused(example, data):
    content = WHOLE
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        end = place + data.draw(st.sampled_from([0, 1, 8, len(content)]))
        content = content[:place] + data.draw(sizes | st.binary(max_size=8)) + content[end:]
    path = example(content, ".safetensors")
    try:
        assert isinstance(read_card(path), Card)
    except PipelineError as error:
        assert str(path) in str(error) and len(str(error).splitlines()) == 1
