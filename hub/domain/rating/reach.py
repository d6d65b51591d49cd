"""Elements that can never price anything, because they never hold or earlier ones always do."""

from collections.abc import Iterator

from hub.domain.rating.calendar import Calendar
from hub.domain.rating.compile import SLOTS, Candidate, CompiledTariff
from hub.domain.rating.coverage import box_of, grid_of, uncovered
from hub.domain.rating.reasons import NAMES


def find_unreachable(compiled: CompiledTariff) -> Iterator[tuple[str, str, str]]:
    """Yield (code, field, message) for each price that no session can ever reach."""
    for slot in SLOTS:
        entries = _entries(compiled, slot)
        if not entries:
            continue
        grid = grid_of(entries)
        boxes = [box_of(calendar, candidate, grid) for calendar, candidate in entries]
        for index, (_, candidate) in enumerate(entries):
            if uncovered(boxes[index], boxes[:index]) is None:
                field = f"elements[{candidate.element}].price_components[{candidate.component}]"
                never = any(mask == 0 for mask in boxes[index])
                cause = "its restrictions can never hold together" if never else "earlier elements always apply first"
                yield "unreachable_element", field, f"the price of {NAMES[slot]} can never be reached: {cause}"


def _entries(compiled: CompiledTariff, slot: int) -> list[tuple[Calendar, Candidate]]:
    return [(calendar, candidate) for calendar, its_slot, candidate in compiled.candidates if its_slot == slot]
