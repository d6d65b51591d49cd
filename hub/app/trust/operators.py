"""Operators: the persons who run the hub, each with a certificate of their own."""

import hashlib

from hub.app.ports.trust import OPERATOR_URI, Certifier
from hub.app.ports.uow import UnitOfWork
from hub.domain.trust import CertificateRecord

#: Names that nobody gets: the hub makes the certificate of root, and its jobs prepare periods in the name of hub.
RESERVED = frozenset({"root", "hub"})


def create_operator(uow: UnitOfWork, *, operator: str, csr_pem: bytes, certifier: Certifier) -> CertificateRecord:
    """Issue an operator's certificate and put it on record, so that it can be listed and revoked.

    Raises:
        Invalid: The signing request is damaged or its key is weak.
    """
    issued = certifier.issue_operator(csr_pem, operator, uow.now)
    record = CertificateRecord(
        serial=issued.serial,
        subject=OPERATOR_URI + operator,
        created=uow.now,
        expires=issued.expire_time,
        renew=issued.renew_time,
        csr_hash=hashlib.sha256(csr_pem).digest(),
        chain_pem=issued.chain_pem,
    )
    uow.certificates.add(record)
    return record
