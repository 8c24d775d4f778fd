"""The projections that come with the project, in the order in which they observe (P7)."""

from worker.projections.lifecycle import Lifecycle
from worker.projections.projection import Projection
from worker.projections.thread_items import ThreadItems
from worker.projections.turn_summaries import TurnSummaries

PROJECTIONS: dict[str, Projection] = {found.name: found for found in (ThreadItems(), TurnSummaries(), Lifecycle())}
