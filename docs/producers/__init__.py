"""Everything that is measured for the site."""

from docs.data import Producer
from docs.producers import attention, live, losses, modes, profile, road, trace, trained, typed

PRODUCERS: dict[str, Producer] = {
    producer.name: producer
    for producer in (
        *(profile.PRODUCER, losses.PRODUCER, *modes.PRODUCERS, trained.PRODUCER),
        live.PRODUCER,
        *(attention.PRODUCER, typed.PRODUCER, trace.PRODUCER, road.PRODUCER),
    )
}
"""By name, in the order in which they run."""
