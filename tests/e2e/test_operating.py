"""The command line against a running hub: inviting, registering, agreeing, shutting out."""

import json
import stat
from pathlib import Path

import pytest

from hub.cli.demo.ports import held_ports
from tests.e2e.conftest import RunningHub, hub_in, roamhub


def test_two_partners_are_invited_register_and_agree(running_hub: RunningHub) -> None:
    hub = running_hub
    for platform, party in (("volt", "NL-VLT:CPO"), ("green", "DE-GRN:EMSP")):
        done = hub.roamhub("partner", "invite", platform, "--party", party, "--out", f"{platform}.json")
        assert done.code == 0, done.err
        assert stat.S_IMODE((hub.folder / f"{platform}.json").stat().st_mode) == 0o600
        assert hub.roamhub("partner", "register", f"{platform}.json", "--as", platform).code == 0
    assert stat.S_IMODE((hub.folder / "volt" / "identity.pem").stat().st_mode) == 0o600
    listed = hub.roamhub("partner", "list", "--json").json()
    assert {"platforms/green", "platforms/volt"} <= {platform["name"] for platform in listed}

    sides = ("--cpo", "NL-VLT", "--emsp", "DE-GRN")
    explained = hub.roamhub("agreement", "explain", *sides, "--as", "green", "--json")
    assert (explained.code, explained.json()["reason"]) == (1, "NO_AGREEMENT")
    proposed = hub.roamhub("agreement", "propose", *sides, "--as", "volt", "--cycle", "hourly", "--json").json()
    assert proposed["state"] == "STATE_PROPOSED"
    own = hub.roamhub("agreement", "accept", proposed["name"], "--as", "volt")
    assert (own.code, "PROPOSER_HAS_ACCEPTED" in own.err) == (3, True)
    assert "state            ACTIVE" in hub.roamhub("agreement", "accept", proposed["name"], "--as", "green").out
    assert hub.roamhub("agreement", "explain", *sides).out.startswith("yes: agreements/")
    assert "NL-VLT  DE-GRN        1  ACTIVE  EUR       HOURLY" in hub.roamhub("agreement", "list").out

    terms = hub.roamhub("agreement", "show", proposed["name"], "--as", "green", "--json").json()["terms"]
    (hub.folder / "terms.json").write_text(
        json.dumps(terms | {"grace": "172800s", "start_time": "2099-01-01T00:00:00Z"})
    )
    amended = hub.roamhub("agreement", "amend", proposed["name"], "--as", "green", "--terms", "terms.json")
    assert (amended.code, "grace            2 days" in amended.out) == (0, True), amended.err + amended.out
    declined = hub.roamhub("agreement", "decline", proposed["name"], "--as", "volt", "--note", "three", "--json")
    assert (declined.json()["state"], declined.json()["note"]) == ("STATE_DECLINED", "three")
    assert hub.roamhub("agreement", "explain", *sides).out.startswith("yes: agreements/")

    suspended = hub.roamhub("agreement", "suspend", proposed["name"], "--as", "green", "--note", "stock-taking")
    assert "suspended by     DE-GRN" in suspended.out
    assert hub.roamhub("agreement", "explain", *sides).code == 1
    assert hub.roamhub("agreement", "resume", proposed["name"], "--as", "green").code == 0
    ended = hub.roamhub("agreement", "terminate", proposed["name"], "--as", "volt", "--json")
    assert ended.json()["state"] == "STATE_TERMINATED"


def test_a_used_invitation_is_refused_and_a_wrong_party_is_named(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "once", "--party", "NL-ONC:CPO", "--out", "once.json")
    assert hub.roamhub("partner", "register", "once.json", "--as", "once").code == 0
    again = hub.roamhub("partner", "register", "once.json", "--as", "twice", "--json")
    assert again.code == 5
    assert json.loads(again.err)["error"]["reason"] == "INVITATION_REFUSED"
    wrong = hub.roamhub("partner", "invite", "wrong", "--party", "NLX:CPO")
    assert (wrong.code, "NL-ABC:CPO" in wrong.err) == (2, True)


def test_a_platform_that_is_shut_out_cannot_call_any_more(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "gone", "--party", "NL-GON:CPO", "--out", "gone.json")
    assert hub.roamhub("partner", "register", "gone.json", "--as", "gone").code == 0
    assert hub.roamhub("agreement", "list", "--as", "gone").code == 0
    assert hub.roamhub("partner", "revoke", "gone").code == 0
    refused = hub.roamhub("agreement", "list", "--as", "gone")
    assert refused.code == 5
    assert refused.err.startswith("roamhub: CERTIFICATE_REVOKED: ")


def test_a_party_is_held_back_and_takes_part_again(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "held", "--party", "NL-HLD:CPO", "--out", "held.json")
    hub.roamhub("partner", "register", "held.json", "--as", "held")
    assert hub.roamhub("partner", "suspend", "NL-HLD").out.startswith("NL-HLD is suspended until ")
    assert hub.roamhub("agreement", "list", "--as", "held").code == 5
    assert hub.roamhub("partner", "suspend", "NL-NON").code == 3
    assert hub.roamhub("partner", "resume", "NL-HLD").out == "NL-HLD takes part again\n"
    assert hub.roamhub("agreement", "list", "--as", "held").code == 0


def test_a_partner_is_no_operator(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "plain", "--party", "NL-PLN:CPO", "--out", "plain.json")
    hub.roamhub("partner", "register", "plain.json", "--as", "plain")
    identity = (hub.folder / "plain" / "identity.pem").read_bytes()
    (hub.folder / "stolen").mkdir()
    (hub.folder / "stolen" / "operator.pem").write_bytes(identity)
    (hub.folder / "stolen" / "ca.pem").write_bytes((hub.folder / "plain" / "ca.pem").read_bytes())
    config = hub.folder / "stolen.toml"
    config.write_text(f'data_dir = "{hub.folder / "stolen"}"\nlisten = "{hub.listen}"\n')
    done = hub.roamhub("partner", "list", "--config", config)
    assert (done.code, done.err.startswith("roamhub: NOT_PERMITTED: ")) == (5, True)


def test_the_doctor_finds_a_running_hub_well(running_hub: RunningHub) -> None:
    done = running_hub.roamhub("doctor", "--json")
    found = {each["check"]: each["verdict"] for each in done.json()}
    assert {found["data"], found["certificate"], found["database"], found["clock"]} == {"ok"}


def test_a_second_operator_acts_with_a_certificate_of_their_own(running_hub: RunningHub) -> None:
    hub = running_hub
    added = hub.roamhub("operator", "add", "anna", "--out", "anna")
    assert added.out.startswith("anna is an operator until ")
    assert hub.roamhub("agreement", "list", "--as", "anna").code == 0
    (certificate,) = hub.roamhub("operator", "list", "anna", "--json").json()
    everybody = [line.split() for line in hub.roamhub("operator", "list").out.splitlines()]
    assert everybody[0] == ["OPERATOR", "CERTIFICATE", "ISSUED", "EXPIRES", "REVOKED"]
    assert [line[:2] for line in everybody[1:] if line[0] == "anna"] == [["anna", certificate["name"]]]
    assert "root" in [line[0] for line in everybody[1:]]
    assert hub.roamhub("operator", "revoke", certificate["name"]).code == 0
    assert hub.roamhub("agreement", "list", "--as", "anna").code == 5


def test_keys_are_rotated_and_revoked_and_the_roots_handed_out(running_hub: RunningHub) -> None:
    hub = running_hub
    first = hub.roamhub("keys", "list", "--json").json()
    version = first["version"]
    rotated = hub.roamhub("keys", "rotate")
    assert (rotated.code, f"the keyring is version {version + 1}" in rotated.out) == (0, True), rotated.err
    *_, old, new = hub.roamhub("keys", "list", "--json").json()["keys"]
    assert old["name"] == first["keys"][-1]["name"]
    assert old["end_index"] is not None
    assert new["end_index"] is None
    revoked = hub.roamhub("keys", "revoke", old["name"], "--at", "0")
    assert f"the keyring is version {version + 2}" in revoked.out, revoked.err
    stranger = hub.folder / "stranger.key"
    stranger.write_bytes(max((hub.folder / "data/clearing").glob("signing-*.key")).read_bytes())
    stranger.chmod(0o600)
    assert hub.roamhub("keys", "rotate", "--root-key", stranger).code in {2, 3}
    assert hub.roamhub("keys", "export").out == f"keyring.json: version {version + 2}\n"
    assert hub.roamhub("keys", "roots", "--out", "roots.txt").code == 0
    assert "roamhub.local/clearing-root-1+" in (hub.folder / "roots.txt").read_text()


def test_keys_say_to_machines_what_they_have_done(running_hub: RunningHub) -> None:
    hub = running_hub
    before = hub.roamhub("keys", "list", "--json").json()
    rotated = hub.roamhub("keys", "rotate", "--json").json()
    assert rotated["version"] == before["version"] + 1
    assert rotated == hub.roamhub("keys", "list", "--json").json()
    newest = rotated["keys"][-1]["name"]
    hub.roamhub("keys", "rotate", "--json")
    revoked = hub.roamhub("keys", "revoke", newest, "--at", "0", "--json").json()
    assert {key["name"] for key in revoked["keys"] if key["revoked_index"] == 0} >= {newest}
    assert revoked == hub.roamhub("keys", "list", "--json").json()
    exported = hub.roamhub("keys", "export", "--out", "ring.json", "--json").json()
    assert exported == {"file": "ring.json", "version": revoked["version"]}
    assert (hub.folder / "ring.json").exists()
    roots = hub.roamhub("keys", "roots", "--out", "trusted.txt", "--json").json()
    assert (roots["file"], roots["threshold"]) == ("trusted.txt", 1)
    assert [key["name"] for key in roots["keys"]] == ["roamhub.local/clearing-root-1"]
    assert (hub.folder / "trusted.txt").read_text().startswith("threshold 1\n")
    assert hub.roamhub("keys", "roots", "--json").json()["keys"] == roots["keys"]


@pytest.mark.parametrize(
    "command",
    [
        "partner list",
        "partner quality",
        "operator list",
        "agreement list",
        "cdr list",
        "cdr returns",
        "period list",
        "gaps",
        "gaps --summary",
        "statement list",
        "statement positions",
        "keys list",
        "keys roots",
        "doctor",
    ],
)
def test_what_machines_read_stands_alone_on_standard_output(running_hub: RunningHub, command: str) -> None:
    done = running_hub.roamhub(*command.split(), "--json")
    assert done.code == 0, done.err
    assert isinstance(done.json(), list | dict)


def test_an_invitation_in_a_file_is_not_on_the_screen_too(running_hub: RunningHub) -> None:
    hub = running_hub
    told = hub.roamhub("partner", "invite", "quiet", "--party", "NL-QUI:CPO", "--out", "quiet.json", "--json")
    document = json.loads((hub.folder / "quiet.json").read_text())
    assert told.json() == {
        "name": told.json()["name"],
        "platform": "platforms/quiet",
        "expire_time": document["expire_time"],
        "file": "quiet.json",
    }
    assert document["code"] not in told.out + told.err


def test_a_folder_with_somebody_elses_certificate_is_not_overwritten(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "mine", "--party", "NL-MIN:CPO", "--out", "mine.json")
    assert hub.roamhub("partner", "register", "mine.json", "--as", "mine").code == 0
    held = (hub.folder / "mine" / "identity.pem").read_bytes()
    taken = hub.roamhub("operator", "add", "otto", "--out", "mine")
    assert (taken.code, "holds the certificate of platform/mine" in taken.err) == (2, True)
    hub.roamhub("partner", "invite", "other", "--party", "NL-OTH:CPO", "--out", "other.json")
    assert hub.roamhub("partner", "register", "other.json", "--as", "mine").code == 2
    assert (hub.folder / "mine" / "identity.pem").read_bytes() == held
    assert hub.roamhub("operator", "add", "otto", "--out", "otto").code == 0
    assert hub.roamhub("operator", "add", "otto", "--out", "otto").code == 0, "his own is replaced by the next"


def test_a_root_key_that_is_elsewhere_is_asked_for_before_the_hub_makes_another_key(running_hub: RunningHub) -> None:
    hub = running_hub
    root = hub.folder / "data" / "clearing" / "root.key"
    away = root.rename(hub.folder / "offline.key")
    keys = sorted(path.name for path in root.parent.glob("*.key"))
    refused = hub.roamhub("keys", "rotate")
    away.rename(root)
    assert (refused.code, "--root-key" in refused.err) == (2, True)
    assert sorted(path.name for path in root.parent.glob("*.key")) == sorted([*keys, "root.key"])


def test_a_copy_made_while_the_hub_runs_is_a_hub(running_hub: RunningHub) -> None:
    hub = running_hub
    hub.roamhub("partner", "invite", "kept", "--party", "NL-KEP:CPO", "--out", "kept.json")
    made = hub.roamhub("db", "backup", "restored/data", "--json")
    assert made.code == 0, made.err
    data, copy = hub.folder / "data", hub.folder / "restored" / "data"
    running = {"roamhub.db-wal", "roamhub.db-shm", "roamhub.db.lock"}
    assert {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()} == {
        path.relative_to(data) for path in data.rglob("*") if path.is_file() and path.name not in running
    }
    private = [copy / "roamhub.db", *copy.rglob("*.key")]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)
    again = hub.roamhub("db", "backup", "restored/data")
    assert (again.code, "name another folder" in again.err) == (2, True)
    with (
        held_ports(3) as ports,
        hub_in(hub.folder / "restored", *(f"127.0.0.1:{port}" for port in ports)) as restored,
    ):
        assert "NL-KEP" in restored.roamhub("partner", "list").out


def test_what_is_no_data_directory_is_not_copied(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'data_dir = "{tmp_path / "nothing"}"\n')
    refused = roamhub("db", "backup", tmp_path / "copy", cwd=tmp_path, config=config)
    assert (refused.code, "no data directory" in refused.err) == (2, True)
    assert not (tmp_path / "copy").exists()
