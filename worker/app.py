"""The composition root: the one place where the parts meet."""

from collections.abc import Sequence

from worker.codec.lines import LineDecoder
from worker.config import Settings
from worker.model.topic import TopicNames
from worker.pipeline import Pipeline
from worker.projections.projection import Projection
from worker.projections.table import PROJECTIONS
from worker.runtime.append import Appends


def projections(settings: Settings) -> Sequence[Projection]:
    """Return the installed projections in the order of the settings."""
    return [PROJECTIONS[name] for name in settings.projections]


def topic_names(settings: Settings) -> TopicNames:
    """Return what each topic is called."""
    topics = {found.name: found.topic for found in projections(settings)}
    return TopicNames.of(prefix=settings.topics.prefix, group=settings.group, projections=topics)


def appends(settings: Settings) -> Appends:
    """Return the path from a line to its mutations, for one thread or one partition."""
    decoder = LineDecoder(read_filter=settings.read_filter)
    return Appends(decoder, Pipeline(projections(settings), redact=settings.redact))
