"""What holds for every text that is drawn."""

from hypothesis import given
from hypothesis import strategies as st

from conformance.truths.reference import continue_text
from shared.config import SampleConfig
from tests.drawn import WIDE, Drawn, drawn

samplings = st.builds(
    SampleConfig,
    max_new_tokens=st.integers(0, 12),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.none() | st.integers(1, 10),
    top_p=st.none() | st.floats(0.05, 1.0),
    seed=st.integers(0, 2**62),
)


@WIDE
@given(drawn(), samplings)
def test_a_text_is_what_full_forwards_give(it: Drawn, config: SampleConfig) -> None:
    """With a cache, and past the window, and drawn by the definition."""
    model = it.model()
    text = list(model.generate(it.tokens[0], config))
    assert text == continue_text(model, it.tokens[0], config)
