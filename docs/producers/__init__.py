"""Everything that is measured for the site."""

from docs.data import Producer
from docs.producers import attention, losses, next_tokens, profile, road, trace, trained, typed

PRODUCERS: dict[str, Producer] = {
    module.PRODUCER.name: module.PRODUCER
    for module in (profile, losses, trained, attention, next_tokens, typed, trace, road)
}
"""By name, in the order in which they run."""
