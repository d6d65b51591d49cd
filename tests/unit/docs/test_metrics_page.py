"""The page on metrics names every figure the hub serves, with its labels, and no other."""

import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from hub.domain.radar import GapKind
from hub.jobs.gaps import AGES
from hub.metrics import Metrics

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
CELLS = re.findall(r"^\| `(roamhub_\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE)
ROWS = [(name, kind, labels.strip()) for name, kind, labels in CELLS]
KINDS: dict[type, str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


def test_the_page_has_a_row_for_every_metric_with_its_labels() -> None:
    metrics = Metrics()
    served = {"roamhub_answers_dropped_total": ("counter", "`cause`")}
    for each in vars(metrics).values():
        if type(each) in KINDS:
            (family,) = each.describe()
            name = family.name + "_total" * isinstance(each, Counter)
            served[name] = KINDS[type(each)], ", ".join(f"`{label}`" for label in each._labelnames)
    assert {name: (kind, labels) for name, kind, labels in ROWS} == served


def test_the_page_names_every_kind_and_age_of_gap() -> None:
    for name in [*(kind.name.lower() for kind in GapKind), *AGES]:
        assert f"`{name}`" in PAGE


def test_alerts_are_about_metrics_there_are() -> None:
    used = set(re.findall(r"roamhub_\w+", PAGE.split("## What to be woken by")[1]))
    assert {re.sub("_(bucket|count)$", "", name) for name in used} <= {name for name, _, _ in ROWS}
