"""The price of one symbol by REST, asked beside what a shard collects in its own way, to settle a doubt about it.

Separate from both kinds of shard because the rule is one: whatever it was asked for, the answer is an observation.
"""

import logging

from observer_core.errors import FeedError
from observer_core.kis.rest import RestClient
from observer_core.messages import Quote
from observer_core.pacing.rate import Priority
from observer_core.services.shard import Shard

logger = logging.getLogger(__name__)


async def ask_price(
    shard: Shard, client: RestClient, symbol: str, priority: Priority, *, unanswered: str
) -> list[Quote] | None:
    """Ask, write the answer down and return its quotes; None when there was no answer, which the log says."""
    try:
        answer = await client.inquire_price(symbol, priority)
    except FeedError as error:
        logger.warning(unanswered, extra={"symbol": symbol, "error": str(error)})
        return None
    shard.note(answer.records)
    return [record for record in answer.records if isinstance(record, Quote)]
