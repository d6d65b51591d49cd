"""Authorizations: from the store against a bare echo, relayed over a link against a bare two-hop relay.

Run: `python -m tests.bench.bench_authorize [SECONDS]`. Every server, the partner on its link and the load are processes
of their own, over mutual TLS; the hub records every answer durably (SQLite, synchronous=FULL).
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import uvloop
from roamhub.v1 import authorization_pb2 as pb
from roamhub.v1 import common_pb2, link_pb2, token_object_pb2

from hub.collector import collect_less, keep_what_is
from hub.config import Config
from hub.crypto.ca import CertificateAuthority, operator_pair, server_pair
from hub.domain.parties import Role
from hub.domain.tokens import Token, TokenKey, Whitelist
from hub.main import Hub, system_clock
from tests.bench.load import ROOT, Call, Served, blank, latency_ms, rate, report, serving
from tests.bench.servers import CPO, EMSP, announce, parent_ends
from tests.support import add_partner, agree, party_id

_TOKENS = 10_000
_ROUNDS = 5
_CONNECT = "/roamhub.v1.LinkService/Connect"
_AUTHORIZE = "/roamhub.v1.AuthorizationService/Authorize"
_STREAM = "/roamhub.v1.AuthorizationService/StreamAuthorize"


def key(party: str) -> common_pb2.PartyKey:
    """Return the message of a party such as NL-CPO."""
    return common_pb2.PartyKey(country_code=party[:2], party_id=party[3:])


def token_message(uid: str, whitelist: Whitelist) -> token_object_pb2.Token:
    """Return a plausible token."""
    return token_object_pb2.Token(
        country_code=EMSP[:2],
        party_id=EMSP[3:],
        uid=uid,
        type="RFID",
        contract_id=f"DE-MSP-C{uid[-8:]}-X",
        visual_number=f"DF000-{uid}",
        issuer="Bench Mobility",
        valid=True,
        whitelist=int(whitelist),  # type: ignore[arg-type]
        language="de",
    )


def question(number: int, whitelist: Whitelist) -> pb.AuthorizeRequest:
    """Return a question about one of the published tokens."""
    location = token_object_pb2.LocationReferences(location_id="LOC-000123", evse_uids=["NL-CPO-E000123-1"])
    uid = f"{whitelist.name[:2]}{number % _TOKENS:012X}"
    return pb.AuthorizeRequest(cpo=key(CPO), token_uid=uid, token_type="RFID", location=location)


async def serve_hub(folder: Path) -> None:
    """Serve a hub with one CPO, one eMSP and its tokens."""
    collect_less()
    limits = 1_000_000
    hub = Hub(
        Config(
            data_dir=folder,
            listen="127.0.0.1:0",
            register_listen="127.0.0.1:0",
            metrics_listen="",
            log_level="WARNING",
            calls_per_second=limits,
            calls_burst=limits,
        )
    )
    await hub.start()
    cpo = await add_partner(hub, [CPO], [Role.CPO], "cpo")
    emsp = await add_partner(hub, [EMSP], [Role.EMSP], "emsp")
    await agree(hub, cpo.party, emsp.party)
    now = hub.clock()
    tokens = []
    for whitelist in (Whitelist.ALWAYS, Whitelist.NEVER):
        for number in range(_TOKENS):
            uid = question(number, whitelist).token_uid
            document = token_message(uid, whitelist).SerializeToString()
            token_key = TokenKey(party_id(EMSP), uid.lower(), "RFID")
            tokens.append(
                Token(
                    key=token_key,
                    contract_id=f"DE-MSP-C{uid[-8:]}-X",
                    whitelist=whitelist,
                    valid=True,
                    last_updated=now,
                    document=document,
                )
            )
    await hub.committer.run(lambda uow: uow.tokens.save(tokens))
    keep_what_is()
    announce(hub.port, hub.ca.ca_pem, {each.platform: (each.key_pem, each.chain_pem) for each in (cpo, emsp)})
    await parent_ends()
    await hub.stop()


async def serve_relay(folder: Path) -> None:
    """Serve the least that can relay: a unary call out to a stream that a partner opened, and its answer back."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    authority = CertificateAuthority.open(folder, system_clock())
    pair = server_pair(authority, folder, ["localhost", "127.0.0.1"], system_clock())
    operator = operator_pair(authority, folder, system_clock())
    outgoing: asyncio.Queue[bytes] = asyncio.Queue()
    waiting: dict[bytes, asyncio.Future[bytes]] = {}
    last = 0

    async def ask(request: bytes, context: Any) -> Any:
        nonlocal last
        last += 1
        number = last.to_bytes(8)
        answer = waiting[number] = asyncio.get_running_loop().create_future()
        outgoing.put_nowait(number + request)
        return await answer

    async def link(requests: Any, context: Any) -> Any:
        async def read() -> None:
            async for message in requests:
                waiting.pop(message[:8]).set_result(message[8:])

        reader = asyncio.create_task(read())
        try:
            while True:
                yield await outgoing.get()
        finally:
            reader.cancel()

    handlers: dict[str, Any] = {
        "Ask": grpc.unary_unary_rpc_method_handler(ask),
        "Link": grpc.stream_stream_rpc_method_handler(link),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", handlers),))
    credentials = grpc.ssl_server_credentials([(pair.key_pem, pair.chain_pem)], authority.ca_pem, True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    announce(port, authority.ca_pem, dict.fromkeys(("cpo", "emsp"), (operator.key_pem, operator.chain_pem)))
    await parent_ends()
    await server.stop(0)


async def answer_bare(channel: grpc.aio.Channel) -> None:
    """Hold the bare relay's link: every message comes back as it is."""
    call: Any = channel.stream_stream("/bench/Link")()
    while True:
        await call.write(await call.read())


async def answer_hub(channel: grpc.aio.Channel) -> None:
    """Hold a hub's link as an eMSP that allows everything; what comes together is answered together."""
    call: Any = channel.stream_stream(_CONNECT)()
    hello = link_pb2.LinkHello(parties=[key(EMSP)], batches=True)
    await call.write(link_pb2.ConnectRequest(hello=hello).SerializeToString())
    parse = link_pb2.ConnectResponse.FromString
    while True:
        message = parse(await call.read())
        requests = message.requests.requests or [message.request]
        answers = [allow(each) for each in requests if each.WhichOneof("request") == "authorize"]
        if answers:
            said = link_pb2.ConnectRequest(answers=link_pb2.LinkAnswers(answers=answers))
            await call.write(said.SerializeToString())


def allow(request: link_pb2.LinkRequest) -> link_pb2.LinkAnswer:
    """Return an eMSP's yes."""
    asked = request.authorize
    info = token_object_pb2.AuthorizationInfo(
        allowed=token_object_pb2.ALLOWED_TYPE_ALLOWED,
        token=token_message(asked.token_uid, Whitelist.NEVER),
        location=asked.location,
    )
    return link_pb2.LinkAnswer(id=request.id, authorize=info)


async def answer(kind: str, told: dict[str, Any]) -> None:
    """Run the partner's process."""
    credentials = grpc.ssl_channel_credentials(*(told[name].encode() for name in ("ca", "key", "chain")))
    async with grpc.aio.secure_channel(f"127.0.0.1:{told['port']}", credentials) as channel:
        work = asyncio.create_task({"relay": answer_bare, "hub": answer_hub}[kind](channel))
        print("ready", flush=True)
        await parent_ends()
        work.cancel()


@contextmanager
def spawned(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run this module as another process; yields it with the first line it prints."""
    command = [sys.executable, "-m", "tests.bench.bench_authorize", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.stdin.close()
        process.wait(30)


@contextmanager
def linked_server(kind: str, folder: Path) -> Iterator[Served]:
    """Run a server with a partner's process on a link to it."""
    with spawned("serve", kind, str(folder)) as (process, line):
        told = json.loads(line)
        callers = {name: (pair[0].encode(), pair[1].encode()) for name, pair in told["callers"].items()}
        key_pem, chain_pem = told["callers"]["emsp"]
        partner = {"port": told["port"], "ca": told["ca"], "key": key_pem, "chain": chain_pem}
        with spawned("answer", kind, json.dumps(partner)):
            yield Served(process, told["port"], told["ca"].encode(), callers)


@dataclass(frozen=True)
class Timed:
    """What a server did: calls per second, and its own processor time per call."""

    rate: float
    cost_us: float


async def timed(server: Served, call: Call, seconds: float) -> Timed:
    """Keep 64 calls in flight for a time."""
    before = server.cpu_seconds()
    calls_per_second, calls = await rate(call, seconds=seconds)
    return Timed(calls_per_second, (server.cpu_seconds() - before) / calls * 1e6)


async def measure(echo: Served, relay: Served, hub: Served, seconds: float) -> None:
    """Measure and print; plain server and hub are measured in turns, and the median of the ratios counts."""
    bare: Any = echo.channel("echo").unary_unary("/bench/Echo")
    hops: Any = relay.channel("cpo").unary_unary("/bench/Ask")
    ask: Any = hub.channel("cpo").unary_unary(_AUTHORIZE)
    stored = [question(n, Whitelist.ALWAYS).SerializeToString() for n in range(_TOKENS)]
    relayed = [question(n, Whitelist.NEVER).SerializeToString() for n in range(_TOKENS)]
    answer = pb.Authorization.FromString(await ask(stored[0]))
    padded = blank((len(stored[0]) + answer.ByteSize()) // 2)
    assert answer.source == pb.Authorization.SOURCE_STORE
    assert pb.Authorization.FromString(await ask(relayed[0])).source == pb.Authorization.SOURCE_PARTNER
    print(f"question {len(stored[0])} bytes, answer {answer.ByteSize()} bytes, echo {len(padded)} bytes")

    def from_store(number: int) -> Any:
        return ask(stored[number % _TOKENS])

    def over_link(number: int) -> Any:
        return ask(relayed[number % _TOKENS])

    pairs = [
        ("Authorize from the store, alone", bare, padded, from_store, echo, ""),
        ("Authorize relayed over a link, alone", hops, padded, over_link, relay, ""),
    ]
    for name, plain, message, call, _, wanted in pairs:
        base, _ = await latency_ms(lambda _, plain=plain, message=message: plain(message))  # type: ignore[misc]
        mine, _ = await latency_ms(call)
        report(name, f"{mine:.2f} ms of {base:.2f} ms", mine / base, wanted)
    for name, plain, message, call, server, _ in pairs:
        rounds = [
            (
                await timed(server, lambda _, plain=plain, message=message: plain(message), seconds),  # type: ignore[misc]
                await timed(hub, call, seconds),
            )
            for _ in range(_ROUNDS)
        ]
        ratios = sorted(mine.rate / base.rate for base, mine in rounds)
        base, mine = max(pair[0].rate for pair in rounds), max(pair[1].rate for pair in rounds)
        figure = f"{mine:,.0f}/s of {base:,.0f}/s"
        report(name.replace(", alone", ""), figure, median(ratios), ">= 0.6")
        spread = " ".join(f"{each:.2f}" for each in ratios)
        costs = [min(pair[side].cost_us for pair in rounds) for side in (1, 0)]
        print(f"{'':<20} ratios {spread}; processor time {costs[0]:.0f} of {costs[1]:.0f} us")
    for together in (1, 32):
        await measure_stream(hub, stored, seconds, together)


async def measure_stream(hub: Served, questions: list[bytes], seconds: float, together: int) -> None:
    """Print what one stream carries, with 256 questions open at a time, so many in one message."""
    stream: Any = hub.channel("cpo").stream_stream(_STREAM)()
    tagged = [pb.TaggedQuestion(tag=n, request=pb.AuthorizeRequest.FromString(q)) for n, q in enumerate(questions)]
    messages = [
        pb.StreamAuthorizeRequest(questions=tagged[start : start + together]).SerializeToString()
        for start in range(0, len(tagged) // together * together, together)
    ]
    places = asyncio.Semaphore(256 // together)
    loop = asyncio.get_running_loop()
    before, started = hub.cpu_seconds(), loop.time()
    sent = 0

    async def write() -> None:
        nonlocal sent
        while loop.time() - started < seconds:
            await places.acquire()
            await stream.write(messages[sent % len(messages)])
            sent += 1
        await stream.done_writing()

    writer = asyncio.create_task(write())
    answered = 0
    parse = pb.StreamAuthorizeResponse.FromString
    async for message in stream:
        count = len(parse(message).answers)
        for _ in range((answered + count) // together - answered // together):
            places.release()
        answered += count
    await writer
    assert answered == sent * together
    figure = f"{answered / (loop.time() - started):,.0f}/s"
    cost = (hub.cpu_seconds() - before) / answered * 1e6
    name = f"StreamAuthorize from the store, {together} a message"
    print(f"{name:<46} {figure:>22}   processor time {cost:.0f} us each")


def main() -> None:
    """Run the part that the arguments name; with none, the benchmark."""
    match sys.argv[1:]:
        case ["serve", kind, folder]:
            uvloop.run({"hub": serve_hub, "relay": serve_relay}[kind](Path(folder)))
        case ["answer", kind, told]:
            uvloop.run(answer(kind, json.loads(told)))
        case rest:
            seconds = float(rest[0]) if rest else 2.0
            with (
                tempfile.TemporaryDirectory() as folder,
                serving("echo", Path(folder) / "echo") as echo,
                linked_server("relay", Path(folder) / "relay") as relay,
                linked_server("hub", Path(folder) / "hub") as hub,
            ):
                uvloop.run(measure(echo, relay, hub, seconds))


if __name__ == "__main__":
    main()
