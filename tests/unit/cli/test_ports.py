"""Ports that are held for servers that start later."""

import socket
import sys

import pytest

from hub.cli.demo.ports import held_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares a port that is held")


def test_a_held_port_takes_no_connection_until_a_server_asks_for_it_by_number_again_and_again() -> None:
    with held_ports(1) as [port]:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
                pass


def test_whoever_asks_for_any_port_gets_another() -> None:
    with held_ports(3) as held:
        for _ in range(200):
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                assert other.getsockname()[1] not in held
