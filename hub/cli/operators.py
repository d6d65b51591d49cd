"""`roamhub operator`: give the hub's people certificates of their own."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import ConfigFile, Json, call, commands, hub_channel, load_config, operator_credentials
from hub.cli.output import as_dict, moment, print_json, print_table

app = commands()


@app.callback()
def _group() -> None:
    """Give the hub's operators certificates of their own.

    `serve` makes one for root. Steps that take two persons, such as reviewing and issuing a period, need another.
    """


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Names the person, such as anna.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to put key and certificate in; give it to --as.")],
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Make a key and get an operator's certificate for it; also the next one, before the last expires."""
    from roamhub.v1.admin_pb2 import CreateOperatorRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    from adapters.partner.credentials import Credentials, Store, new_key, signing_request

    store = Store(out)
    store.require_free(f"operator/{name}")
    key = new_key()
    with hub_channel(config) as channel:
        request = CreateOperatorRequest(operator_id=name, csr_pem=signing_request(key).decode())
        made = call(AdminServiceStub(channel).CreateOperator, request)
    credentials = Credentials(
        key_pem=key,
        certificate_pem=made.chain_pem.encode(),
        authority_pem=made.ca_pem.encode(),
        hub=operator_credentials(load_config(config)).hub,
    )
    store.save(credentials)
    if json:
        print_json({"folder": str(out), "certificate": as_dict(made.certificate)})
    else:
        print(f"{name} is an operator until {moment(made.certificate.expire_time)}; act with --as {out}")


@app.command("list")
def list_(
    name: Annotated[str, typer.Argument(help="Whose certificates; all operators' without.")] = "-",
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List operators by their certificates, newest first; those that have expired are gone."""
    from roamhub.v1.admin_pb2 import ListCertificatesRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    from hub.cli.options import pages

    with hub_channel(config) as channel:
        request = ListCertificatesRequest(parent=f"operators/{name}")
        found = list(pages(AdminServiceStub(channel).ListCertificates, request, "certificates"))
    if json:
        print_json([as_dict(certificate) for certificate in found])
        return
    rows = [
        (
            each.subject_uri.rpartition("/")[2],
            each.name,
            moment(each.create_time),
            moment(each.expire_time),
            moment(each.revoke_time) or "good",
        )
        for each in found
    ]
    print_table(("OPERATOR", "CERTIFICATE", "ISSUED", "EXPIRES", "REVOKED"), rows)


@app.command()
def revoke(
    certificate: Annotated[str, typer.Argument(help="Resource name, such as certificates/4f0c...")],
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Revoke one certificate, an operator's or a partner's; takes effect with the next call."""
    from roamhub.v1.admin_pb2 import RevokeCertificateRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    name = certificate if certificate.startswith("certificates/") else f"certificates/{certificate}"
    with hub_channel(config) as channel:
        revoked = call(AdminServiceStub(channel).RevokeCertificate, RevokeCertificateRequest(name=name))
    if json:
        print_json(as_dict(revoked))
    else:
        print(f"{revoked.name} of {revoked.subject_uri} is revoked")
