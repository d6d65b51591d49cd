"""TokenService: eMSPs publish what their drivers identify with."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from roamhub.v1 import common_pb2, token_pb2
from roamhub.v1 import token_object_pb2 as pb

from hub.app.ports.spine import Committer, Reads
from hub.app.tokens import TokenChange, change_tokens, get_token, put_tokens
from hub.domain.clock import Clock
from hub.domain.errors import HubError
from hub.domain.ids import PartyId
from hub.domain.parties import Caller
from hub.domain.tokens import Token
from hub.rpc.calls import Call
from hub.rpc.field_masks import patched
from hub.rpc.paging import fitting, read_page
from hub.rpc.policy import EMSP, require_party
from hub.rpc.publishing import Progress, outcomes, publish, require_size, result_of
from hub.rpc.token_wire import key_from_pb, time_of, token_from_pb
from hub.rpc.wire import Reader

#: The most tokens of one request.
BATCH_MAX = 1_000

_KEY_FIELDS = ("country_code", "party_id", "uid", "type")


class TokenServicer:
    """Implements `roamhub.v1.TokenService`."""

    def __init__(self, *, committer: Committer, reads: Reads, clock: Clock, clock_skew: timedelta) -> None:
        self._committer = committer
        self._reads = reads
        self._clock = clock
        self._clock_skew = clock_skew

    def _latest(self) -> datetime:
        return self._clock() + self._clock_skew

    async def PutToken(self, request: token_pb2.PutTokenRequest, call: Call) -> token_pb2.PutTokenResponse:  # noqa: ARG002
        """Create or replace a token."""
        token = token_from_pb(request.token, self._latest())
        changed = await self._committer.run_batched(put_tokens, token)
        return token_pb2.PutTokenResponse(result=result_of(changed))

    async def BatchPutTokens(
        self, request: token_pb2.BatchPutTokensRequest, call: Call
    ) -> token_pb2.BatchPutTokensResponse:
        """Create or replace up to 1000 tokens, each for itself."""
        answers = await self._publish(request.tokens, call.caller)
        return token_pb2.BatchPutTokensResponse(outcomes=outcomes(answers))

    async def StreamTokens(
        self, requests: AsyncIterator[token_pb2.StreamTokensRequest], call: Call
    ) -> AsyncIterator[common_pb2.PublishProgress]:
        """Create or replace a stream of tokens; answers each request once its tokens are on disk."""
        progress = Progress()
        async for request in requests:
            yield progress.count(await self._publish(request.tokens, call.caller))

    async def _publish(self, tokens: Sequence[pb.Token], caller: Caller) -> list[bool | HubError]:
        require_size("tokens", tokens, BATCH_MAX)
        latest = self._latest()

        def read(position: int, message: pb.Token) -> Token:
            require_party(caller, message.country_code, message.party_id, EMSP)
            return token_from_pb(message, latest, f"tokens[{position}]")

        return await publish(tokens, read, lambda good: self._committer.run_many(put_tokens, good))

    async def PatchToken(self, request: token_pb2.PatchTokenRequest, call: Call) -> pb.Token:  # noqa: ARG002
        """Change some fields of a token."""
        mask = request.update_mask if request.HasField("update_mask") else None
        latest = self._latest()
        reader = Reader("token")
        time_of(reader, "last_updated", request.token.last_updated, latest)
        reader.done()

        def apply(document: bytes) -> Token:
            merged = patched(document, request.token, mask, fixed=_KEY_FIELDS, always=("last_updated",))
            return token_from_pb(merged, latest)

        return await self._change(TokenChange(key=key_from_pb(request.token), apply=apply))

    async def InvalidateToken(self, request: token_pb2.InvalidateTokenRequest, call: Call) -> pb.Token:  # noqa: ARG002
        """Block a token."""
        latest = self._latest()
        reader = Reader()
        time_of(reader, "last_updated", request.last_updated, latest)
        reader.done()

        def apply(document: bytes) -> Token:
            message = pb.Token.FromString(document)
            message.valid = False
            if message.whitelist == pb.WHITELIST_TYPE_ALWAYS:
                message.whitelist = pb.WHITELIST_TYPE_NEVER
            message.last_updated.CopyFrom(request.last_updated)
            return token_from_pb(message, latest)

        return await self._change(TokenChange(key=key_from_pb(request.token), apply=apply))

    async def _change(self, change: TokenChange) -> pb.Token:
        token = await self._committer.run_batched(change_tokens, change)
        return pb.Token.FromString(token.document)

    async def GetToken(self, request: token_pb2.GetTokenRequest, call: Call) -> pb.Token:  # noqa: ARG002
        """Return one token of the caller's."""
        key = key_from_pb(request.token)
        token = await self._reads.run(lambda uow: get_token(uow, key))
        return pb.Token.FromString(token.document)

    async def ListTokens(self, request: token_pb2.ListTokensRequest, call: Call) -> token_pb2.ListTokensResponse:  # noqa: ARG002
        """List the tokens of one eMSP of the caller's."""
        page = read_page(request)
        reader = Reader()
        emsp = PartyId(request.party.country_code, request.party.party_id)
        since = reader.optional_time("updated_since", request)
        reader.done()
        uid, token_type = page.key(str, str) or ("", "")
        found = await self._reads.run(
            lambda uow: uow.tokens.page(emsp, after=(uid, token_type), updated_since=since, limit=page.size + 1)
        )
        shown = fitting(found, page.size, lambda token: len(token.document))
        return token_pb2.ListTokensResponse(
            tokens=[pb.Token.FromString(token.document) for token in shown],
            next_page_token=page.next_token(shown[-1].key.uid, shown[-1].key.type) if len(found) > len(shown) else "",
        )
