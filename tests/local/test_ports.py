"""Ports: the wanted one, or another."""

from __future__ import annotations

import socket

from abflow.local.ports import HOST, free_port


def test_a_free_port_is_given_as_wanted() -> None:
    wanted = free_port(0)
    assert free_port(wanted) == wanted


def test_a_port_already_taken_leads_to_another() -> None:
    with socket.create_server((HOST, 0)) as somebody:
        taken = somebody.getsockname()[1]
        other = free_port(taken)
    assert other not in (0, taken)


def test_a_port_of_somebody_who_listens_on_all_addresses_is_taken() -> None:
    with socket.create_server(("", 0)) as somebody:
        taken = somebody.getsockname()[1]
        assert free_port(taken) != taken
