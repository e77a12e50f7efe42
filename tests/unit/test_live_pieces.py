"""A stage that is taken over can say nothing on the live line that harms who listens."""

from __future__ import annotations

import json

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.jetstream.live import MAX_PIECE_BYTES, _decoded

HERE = "live.main.33333333-3333-4333-8333-333333333333.write"


def heard(data: bytes, subject: str = HERE) -> object:
    return _decoded(Msg(_client=Client(), subject=subject, data=data))


def test_a_piece_is_heard():
    assert heard(b'[1,"draft",1,0,"text"]')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{}",
        b"[" * 100_000,
        b'[Infinity,"k",1,0,"x"]',
        b'[NaN,"k",1,0,"x"]',
        b'[1e999,"k",1,0,"x"]',
        b'[1,"k",1,-1,"x"]',
        b'[9007199254740993,"k",1,0,"x"]',
        b"[" + b"9" * 5_000 + b',"k",1,0,"x"]',
        b'["1","k",1,0,"x"]',
        b'[1,{"k":1},1,0,"x"]',
        b'[1,"k",1,0,["x"]]',
        b'[1,"k",1,0,null]',
        b'[1,"k",1,0,"x",2]',
        json.dumps([1, "k", 1, 0, "x" * MAX_PIECE_BYTES]).encode(),
    ],
    ids=lambda data: data[:24].decode(errors="replace"),
)
def test_what_is_no_piece_is_dropped(data: bytes):
    assert heard(data) is None


@pytest.mark.parametrize(
    "subject", ["live.main.x.write", "live.main", HERE + ".x", HERE[:-5] + "x"]
)
def test_a_piece_of_no_post_is_dropped(subject: str):
    assert heard(b'[1,"draft",1,0,"text"]', subject) is None
