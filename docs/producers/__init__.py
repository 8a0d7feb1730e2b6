"""Everything that is measured for the site."""

from docs.data import Producer
from docs.producers import losses

PRODUCERS: dict[str, Producer] = {producer.name: producer for producer in (losses.PRODUCER,)}
"""By name, in the order in which they are made."""
