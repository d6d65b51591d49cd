"""Every job that a hub runs at intervals; each is one line here."""

from typing import TYPE_CHECKING

from hub.app.answers import ANSWERS_SECONDS
from hub.jobs.agreements import AgreementClock
from hub.jobs.gaps import GAPS_AFTER_SECONDS, GAPS_SECONDS, GapCounter
from hub.jobs.news import NEWS_SECONDS, News
from hub.jobs.returns import ReturnsClock
from hub.jobs.scheduler import Scheduler
from hub.jobs.spans import SPANS_SECONDS, SpanPruning
from hub.rpc.agreement_messages import encode_agreement

if TYPE_CHECKING:
    from hub.main.hub import Hub

_AGREEMENTS_SECONDS = 1


def scheduler(hub: "Hub") -> Scheduler:
    """Return the scheduler with all jobs; none runs before it is started."""
    committer, reads = hub.committer, hub.reads
    clearing, often = hub.clearing_jobs, hub.config.clearing_seconds
    news = News(reads=reads, learn=hub.directory.learn, advance=hub.tail.advance, settle=hub.settle)
    agreements = AgreementClock(
        committer=committer,
        directory=lambda: hub.directory.current,
        clock=hub.clock,
        encode=encode_agreement,
        settings=hub.clearing,
    )
    made = Scheduler(hub.metrics.job)
    made.every(NEWS_SECONDS, "news", news)
    made.every(_AGREEMENTS_SECONDS, "agreements", agreements)
    made.every(ANSWERS_SECONDS, "answers", hub.answers.record)
    made.every(often, "periods", clearing.follow_calendar)
    made.every(often, "statements", clearing.calculate)
    made.every(often, "acceptance", clearing.deem_accepted)
    made.every(often, "returns", ReturnsClock(committer=committer, reads=reads))
    made.every(SPANS_SECONDS, "spans", SpanPruning(committer=committer, reads=reads))
    if hub.config.metrics_listen:
        gaps = GapCounter(reads=reads, tell=hub.metrics.gaps)
        made.every(GAPS_SECONDS, "gaps", gaps, after_seconds=GAPS_AFTER_SECONDS)
    return made
