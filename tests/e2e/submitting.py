"""A CPO's process that submits CDRs and can be killed at any moment: `python submitting.py FOLDER COUNT [ANSWERS]`.

With ANSWERS it is killed a moment after it has got so many, when it has sent more: another process might come
too late.
"""

import asyncio
import os
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from roamhub.v1.cdr_pb2 import CDR_STATE_ACCEPTED
from roamhub.v1.session_object_pb2 import AUTH_METHOD_WHITELIST

from adapters.partner import Partner
from adapters.partner.progress import Progress, unseen
from adapters.simulator.drives import Drive, Papers, energy
from adapters.simulator.emsp import cards_of
from adapters.simulator.world import make_stations, make_tariffs, plugs_of
from tests.e2e.conftest import CPO, EMSP, RNG_SEED, SINCE, seeded


def killed_after(answers: int) -> Progress:
    left = answers

    def progress(more: int) -> None:
        nonlocal left
        left -= more
        if left <= 0:
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGKILL)).start()

    return progress


async def main(folder: Path, count: int, progress: Progress) -> None:
    plugs = [plug for station in make_stations(CPO, 5, SINCE, seeded(RNG_SEED)) for plug in plugs_of(station)]
    papers = Papers(make_tariffs(CPO, SINCE))
    token = cards_of(EMSP, 1, RNG_SEED)[0].token
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    start = start.replace(hour=0, minute=0, second=0)
    cdrs = []
    for number in range(count):
        begin = start + timedelta(minutes=number)
        plug = plugs[number % len(plugs)]
        kwh = energy(plug, timedelta(seconds=36), 0.5)
        drive = Drive(number=number, plug=plug, token=token, start=begin, end=begin + timedelta(seconds=36), kwh=kwh)
        cdr = papers.cdr(drive, AUTH_METHOD_WHITELIST, "")
        cdr.ClearField("authorization_reference")
        cdr.ClearField("session_id")
        cdrs.append(cdr)
    async with Partner(folder) as partner:
        print("submitting", flush=True)
        submissions = await partner.cdrs.submit_all(cdrs, progress)
        accepted = sum(s.response is not None and s.response.state == CDR_STATE_ACCEPTED for s in submissions)
        print(f"accepted {accepted}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), killed_after(int(sys.argv[3])) if sys.argv[3:] else unseen))
