"""The story of the demo, step by step. Every step is done by a process that only knows the published contract."""

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.cli.demo.actors import Actor, roamhub
from hub.cli.demo.ports import held_ports
from hub.cli.demo.tampering import change_one_byte
from hub.cli.demo.transcript import Transcript
from hub.cli.failures import Exit, Failure

_CPO = "NL-VLT"
#: Party -> platform and whether the hub dials it; the other holds a link.
_EMSPS = {"DE-STR": ("strom", True), "NL-GRN": ("groen", False)}
_START_SECONDS = 120.0
#: Drivers of real sessions share cards as little as real ones do.
_DRIVES_PER_CARD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the demo is to do; see the options of `roamhub demo`."""

    out: Path
    seed: int
    stations: int
    drives: int
    locations: Path | None = None
    tariffs: Path | None = None
    sessions: Path | None = None


#: What listens: the hub's two ports, and the eMSP that the hub dials.
_SERVERS = ("listen", "register_listen", "strom")


class Director:
    """Starts the processes, gives the orders, tells the story and ends what it started."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._out = plan.out
        self._config = plan.out / "hub.toml"
        self._tell = Transcript()
        self._actors: dict[str, Actor] = {}
        self._addresses: dict[str, str] = {}

    async def run(self) -> None:
        """Play the whole story; raises Failure when something does not go as it should."""
        _make_folder(self._out)
        task = asyncio.current_task()
        assert task is not None
        # Told to end, it ends what it started first.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with held_ports(len(_SERVERS)) as ports:
            addresses = (f"127.0.0.1:{port}" for port in ports)
            self._addresses = dict(zip(_SERVERS, addresses, strict=True))
            await self._play()
        self._tell.line()
        self._tell.line(f"All of it took {self._tell.seconds():.0f} s. Databases, certificates, logs, the bundles and")
        self._tell.line(f"this transcript are in {self._out}/.")

    async def _play(self) -> None:
        try:
            await self._start_hub()
            await self._invite()
            await self._publish()
            await self._agree()
            await self._drive()
            await self._drive_offline()
            await self._mishaps()
            await self._settle()
            await self._positions()
            await self._verify()
        finally:
            await self._stop()
            (self._out / "transcript.txt").write_text(self._tell.text())

    async def _start_hub(self) -> None:
        self._tell.step("A hub starts in a process of its own, with SQLite and a new certificate authority")
        settings = {
            "data_dir": str(self._out / "hub"),
            "listen": self._addresses["listen"],
            "register_listen": self._addresses["register_listen"],
            "metrics_listen": "",
            "partner_timeout_seconds": "30.0",
            "drain_seconds": "3",
        }
        self._config.write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()))
        self._tell.command(f"serve --config {self._config}")
        hub = await self._start("hub", "hub.cli", "serve", "--config", str(self._config))
        for setting in ("listen", "register_listen"):
            await _listening(hub, self._addresses[setting])
        self._tell.line(f"it listens on {self._addresses['listen']}, mutual TLS")

    async def _invite(self) -> None:
        self._tell.step("The operator invites a CPO and two eMSPs; each registers with its one-time code")
        parties = ((_CPO, "volt", "CPO"), *((party, name, "EMSP") for party, (name, _) in _EMSPS.items()))
        async with asyncio.TaskGroup() as group:
            for party, platform, role in parties:
                (self._out / platform).mkdir(mode=0o700)
                out = str(self._out / platform / "invitation.json")
                invite = ("partner", "invite", platform, "--party", f"{party}:{role}", "--out", out)
                group.create_task(self._roamhub(*invite, quiet=True))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_cpo())
            for party in _EMSPS:
                group.create_task(self._start_emsp(party))

    async def _start_emsp(self, party: str) -> None:
        platform, dialled = _EMSPS[party]
        arguments = [*self._partner(platform, party), "--cards", str(self._cards())]
        if dialled:
            arguments += ["--serve", self._addresses[platform]]
        emsp = await self._start(platform, "adapters.simulator.emsp", *arguments)
        told = await emsp.hear("ready")
        self._tell.line(
            f"{party} is a process of its own, has published {told[0]['tokens']} tokens, and is reached by"
            f" {told[-1]['reached_by']}"
        )

    async def _start_cpo(self) -> None:
        plan = self._plan
        arguments = [*self._partner("volt", _CPO), "--cards", str(self._cards()), "--month", _month()]
        for party in _EMSPS:
            arguments += ["--emsp", party]
        arguments += ["--stations", str(plan.stations), "--drives", str(plan.drives)]
        real = {"--locations": plan.locations, "--tariffs": plan.tariffs, "--drives-from": plan.sessions}
        for option, path in real.items():
            if path is not None:
                arguments += [option, str(path)]
        cpo = await self._start("volt", "adapters.simulator.cpo", *arguments)
        await cpo.hear("ready")

    async def _publish(self) -> None:
        self._tell.step(f"{_CPO} publishes its tariffs and stations, and reports what each EVSE does")
        told = _only(await self._actors["volt"].order("publish"), "published")
        self._tell.line(
            f"{told['tariffs']} tariffs, {told['locations']} stations with {told['evses']} EVSEs in"
            f" {told['seconds']} s, then {told['states']} EVSE states; {told['refused']} refused"
        )
        for refusal in told["refusals"]:
            self._tell.line(f"  {refusal}")

    async def _agree(self) -> None:
        self._tell.step(f"{_CPO} proposes an agreement to each eMSP; they read it in the journal, and accept")
        await self._actors["volt"].order("agree")
        await self._roamhub("agreement", "list")

    async def _drive(self) -> None:
        month = datetime.fromisoformat(_month())
        until = month + timedelta(days=28)
        self._tell.step(f"Drivers come, {month:%d %B} to {until:%d %B %Y}: may she charge? Sessions, then CDRs")
        self._tell_drives(_only(await self._actors["volt"].order("drive"), "drove"))
        told = _only(await self._actors["groen"].order("start_from_phone"), "started")
        self._tell.line(
            f"a driver of NL-GRN starts a charge from her phone, {told['distance_m']} m away, at {told['evse']}:"
            f" command {told['state']}, result {told['result']}"
        )
        await self._roamhub("partner", "list")

    async def _drive_offline(self) -> None:
        gone = next(party for party, (_, dialled) in _EMSPS.items() if not dialled)
        platform = _EMSPS[gone][0]
        self._tell.step(f"{gone} loses its link; its drivers still come, and the hub answers what it may")
        await self._actors[platform].stop()
        self._tell_drives(_only(await self._actors["volt"].order("drive_offline"), "drove"))
        await self._start_emsp(gone)

    def _tell_drives(self, told: Mapping[str, Any]) -> None:
        answers = Counter(told["answers"])
        for answer, count in answers.most_common():
            self._tell.line(f"{count:>5}  {_ANSWERS.get(answer, answer)}")
        cdrs = ", ".join(f"{count} {state}" for state, count in told["cdrs"].items())
        self._tell.line(f"{told['drives']} drivers, {sum(told['cdrs'].values())} CDRs: {cdrs}")
        for code, count in told["findings"].items():
            self._tell.line(f"  {count} with {code}")

    async def _mishaps(self) -> None:
        self._tell.step(
            "Mishaps: a CDR sent twice, one with another amount, one taken back and billed anew, with a slip"
        )
        told = {each["event"]: each for each in await self._actors["volt"].order("mishaps")}
        twice, conflict, credit = told["duplicate"], told["conflict"], told["credit"]
        same = "the first receipt again" if twice["same"] else "ANOTHER RECEIPT"
        self._tell.line(f"{twice['cdr']} again: {same}, journal index {twice['index']}")
        self._tell.line(f"{conflict['cdr']} with 10.00 more: {conflict['reason'] or 'ACCEPTED'}")
        self._tell.line(f"{credit['cdr']} takes back {credit['of']} ({credit['amount']} EUR): {credit['state']}")
        returned = told["returned"]
        self._tell.line(f"{returned['cdr']} bills it anew, in Wh: {returned['state']}")
        for code, hint in zip(returned["codes"], returned["hints"], strict=True):
            self._tell.line(f"  {code}: {hint}")
        self._tell.line(f"{returned['right']} takes its place: {returned['corrected']}")
        well = returned["state"] == "RETURNED" and returned["waiting"] == [returned["cdr"]]
        if not well or returned["corrected"] != "ACCEPTED":
            raise Failure("the returned CDR was not put right as it should", code=Exit.DEFECT)
        if not twice["same"] or conflict["reason"] != "CDR_CONFLICT" or credit["state"] != "ACCEPTED":
            raise Failure("the mishaps did not end as they should", code=Exit.DEFECT)

    async def _open_periods(self) -> list[str]:
        """Return the periods to settle, one for each agreement."""
        listed = json.loads(await self._roamhub("period", "list", "--state", "open", "--json", quiet=True))
        if len(listed) != len(_EMSPS):
            raise Failure("the hub opened no settlement periods", code=Exit.DEFECT)
        return [period["name"] for period in listed]

    async def _settle(self) -> None:
        self._tell.step("Settlement: cut-off, calculation, review by a second person, issue")
        anna = str(self._out / "anna")
        await self._roamhub("operator", "add", "anna", "--out", anna, quiet=True)
        periods = await self._open_periods()
        await self._roamhub("period", "cut-off", *periods, show="period cut-off PERIOD...")
        await self._roamhub("period", "calculate", *periods, show="period calculate PERIOD...", quiet=True)
        await self._roamhub("statement", "list")
        await self._roamhub("period", "review", *periods, "--as", anna, show=f"period review PERIOD... --as {anna}")
        await self._roamhub("period", "issue", *periods, show="period issue PERIOD...")
        for party, (platform, _) in _EMSPS.items():
            told = _only(await self._actors[platform].order("settle"), "settled")
            verdict = "agrees and acknowledges" if told["agreed"] else "REJECTS"
            self._tell.line(f"{party} added up its CDRs itself: {told['counted']} EUR before tax; it {verdict}")
            if not told["agreed"]:
                raise Failure(
                    f"{party} counted {told['counted']}, the statement says {told['exact']}", code=Exit.DEFECT
                )

    async def _positions(self) -> None:
        self._tell.step("Who owes whom, netted through the hub; positions sum to zero")
        await self._roamhub("statement", "positions")

    async def _verify(self) -> None:
        self._tell.step("Each bundle proves itself, with no hub; with one byte changed, it does not")
        roots = str(self._out / "roots.txt")
        await self._roamhub("keys", "roots", "--out", roots, quiet=True)
        bundles = []
        for statement in json.loads(await self._roamhub("statement", "list", "--json", quiet=True)):
            debtor = f"{statement['debtor']['country_code']}-{statement['debtor']['party_id']}"
            bundles.append(self._out / f"bundle-{debtor}.zip")
            await self._roamhub("statement", "export", statement["name"], "--out", str(bundles[-1]))
        await self._stop()
        self._tell.line("the hub and its partners have ended")
        for number, bundle in enumerate(bundles):
            await self._roamhub("verify", str(bundle), "--trust", roots, last_only=number > 0)
        flipped = self._out / "bundle-flipped.zip"
        flipped.write_bytes(change_one_byte(bundles[0].read_bytes()))
        self._tell.line(f"{flipped}: the same, but for the last digit of what is payable")
        await self._roamhub("verify", str(flipped), "--trust", roots, fails=True)

    async def _stop(self) -> None:
        for actor in reversed(list(self._actors.values())):
            await actor.stop()

    async def _roamhub(
        self, *arguments: str, quiet: bool = False, show: str = "", fails: bool = False, last_only: bool = False
    ) -> str:
        """Run a command and show it; quietly, or with its last line only, where its output says nothing new."""
        if not quiet:
            self._tell.command(show or " ".join(arguments))
        code, out, error = await roamhub(*arguments, config=self._config)
        if not quiet:
            # Checks that were skipped because another failed are left out.
            told = [line for line in out.splitlines() if not line.startswith("-  ")]
            self._tell.line("\n".join(told[-1:] if last_only else told))
        if fails:
            self._tell.line(f"exit code {code}")
        if (code == 0) == fails:
            raise Failure(f"roamhub {' '.join(arguments)}: {error.strip() or f'exit code {code}'}", code=Exit.DEFECT)
        return out

    async def _start(self, name: str, *arguments: str) -> Actor:
        log = self._out / f"{name}.log"
        self._actors[name] = await Actor.start(name, arguments, config=self._config, log=log)
        return self._actors[name]

    def _partner(self, platform: str, party: str) -> list[str]:
        folder = self._out / platform
        invitation = str(folder / "invitation.json")
        return ["--folder", str(folder), "--invitation", invitation, "--party", party, "--seed", str(self._plan.seed)]

    def _cards(self) -> int:
        return max(60, self._plan.drives // _DRIVES_PER_CARD)


#: What the CPO counts -> what it means.
_ANSWERS = {
    "ALLOWED by STORE": "allowed, from the tokens the hub holds; the eMSP was not asked or not there",
    "ALLOWED by PARTNER": "allowed, by the eMSP in real time",
    "BLOCKED by PARTNER": "refused, by the eMSP in real time: the card is blocked",
    "PARTNER_UNREACHABLE": "not answered: the eMSP must be asked and is not there",
}


def _only(told: list[dict[str, Any]], event: str) -> dict[str, Any]:
    for each in told:
        if each["event"] == event:
            return each
    raise Failure(f"a partner did not tell what it {event}", code=Exit.DEFECT)


def _month() -> str:
    """Return the first day of the simulated month: five weeks ago, so that all of it lies in the past."""
    return (datetime.now(UTC).date() - timedelta(days=35)).isoformat()


async def _listening(hub: Actor, address: str) -> None:
    """Wait until the hub takes connections."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not hub.ended:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return
    except TimeoutError:
        raise Failure(f"the hub did not serve within {_START_SECONDS:.0f} s", code=Exit.DEFECT) from None
    raise Failure(f"the hub did not start; {hub.log} says why", code=Exit.DEFECT)


#: Left by an earlier run: only a folder that holds this may be removed.
_MARK = ".roamhub-demo"


def _make_folder(folder: Path) -> None:
    """Make the folder anew; one that no demo has made is left alone."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARK).exists():
            raise Failure(f"{folder} exists and is not a demo's; choose another with --out")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
