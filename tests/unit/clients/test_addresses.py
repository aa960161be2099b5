"""Which address of a name is tried first, how long, and what counts as a request that left: on a clock of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import deadline
from syncer.deadline import ATTEMPT, Deadline, TimedBackend, in_turn

FULL = 15.0
"""Seconds of a send."""
SIX, FOUR = ["2001:db8::1", "2001:db8::2", "2001:db8::3"], ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


class Stream(httpcore.NetworkStream):
    """A connection that fails as it is told.

    Attributes:
        written: what was written.
        fails: from so many writes on they fail.
        tls: what it says of TLS.
    """

    def __init__(self, *, fails: int = 99, tls: object = None) -> None:
        self.written: list[bytes] = []
        self.fails, self.tls = fails, tls
        self.closed = False

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write."""
        assert timeout is None or timeout > 0
        if len(self.written) >= self.fails:
            raise httpcore.WriteError
        self.written.append(buffer)

    def start_tls(self, *_: object, **__: object) -> httpcore.NetworkStream:
        """Be encrypted."""
        return self

    def close(self) -> None:
        """Close."""
        self.closed = True

    def get_extra_info(self, info: str) -> object:
        """Tell of TLS."""
        return self.tls if info == "ssl_object" else None


class Net(httpcore.NetworkBackend):
    """A network of addresses: how many seconds each takes to answer; None = it never does, "refuses" = at once no.

    Attributes:
        now: its clock.
        tried: address and seconds, in order.
    """

    def __init__(self, **addresses: float | str | None) -> None:
        self.addresses: dict[str, float | str | None] = addresses
        self.now = 1000.0
        self.tried: list[tuple[str, float]] = []
        self.stream = Stream()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore.NetworkStream:
        """Connect, or take time."""
        del port
        assert timeout is not None
        assert timeout > 0
        self.tried.append((host, timeout))
        takes = self.addresses[host]
        if isinstance(takes, str):
            raise httpcore.ConnectError(takes)
        self.now += timeout if takes is None else min(takes, timeout)
        if takes is None or takes > timeout:
            raise httpcore.ConnectTimeout
        return self.stream


def net(addresses: list[str], takes: list[float | str | None]) -> Net:
    """A network."""
    return Net(**dict(zip(addresses, takes, strict=True)))


@pytest.fixture
def on_its_clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A way to make a backend over a network whose names have all its addresses."""

    def make(there: Net) -> tuple[TimedBackend, Deadline]:
        monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: there.now))
        monkeypatch.setattr(deadline, "_look_up", lambda *_: list(there.addresses))
        clock = Deadline()
        return TimedBackend(there, clock), clock

    return make


def connects(backend: TimedBackend, clock: Deadline, there: Net, host: str = "api.invalid") -> float:
    """Connect, and say how long it took."""
    began = there.now
    with clock.within(FULL):
        backend.connect_tcp(host, 443)
    return there.now - began


@pytest.mark.parametrize(
    ("takes", "first"),
    [
        pytest.param([None, None, 0.1], 2 * ATTEMPT + 0.1, id="two dead ones of one kind before a good one"),
        pytest.param(["refuses", None, 0.1], ATTEMPT + 0.1, id="one refuses, one is dead"),
        pytest.param([0.1, None, None], 0.1, id="the first is good"),
        pytest.param([None, 2.0, None], 3 * ATTEMPT + 10.5 / 3 + 2.0, id="all are slow: once more, with more time"),
    ],
)
def test_the_address_that_worked_comes_first(on_its_clock: Any, takes: list[float | str | None], first: float) -> None:
    """Dead addresses cost a moment at the first connection, and nothing from the second one on."""
    there = net(FOUR, takes)
    backend, clock = on_its_clock(there)
    took = [connects(backend, clock, there) for _ in range(3)]

    good = min(one for one in takes if isinstance(one, float))
    assert took[0] == pytest.approx(first)
    if good <= ATTEMPT:
        assert took[1:] == pytest.approx([good, good])


def test_two_dead_addresses_of_ipv6_before_one_of_ipv4(on_its_clock: Any) -> None:
    """The kinds take turns: one dead address is tried, not both."""
    there = net([SIX[0], SIX[1], FOUR[0]], [None, None, 0.1])
    backend, clock = on_its_clock(there)

    assert connects(backend, clock, there) == pytest.approx(ATTEMPT + 0.1)
    assert connects(backend, clock, there) == pytest.approx(0.1)


def test_each_name_has_its_own(on_its_clock: Any) -> None:
    """Another host, and another port, begin anew."""
    there = net(FOUR[:2], [None, 0.1])
    backend, clock = on_its_clock(there)
    took = [connects(backend, clock, there, host) for host in ("one", "two", "one", "two")]

    assert took == pytest.approx([ATTEMPT + 0.1, ATTEMPT + 0.1, 0.1, 0.1])


def test_an_address_that_worked_and_is_dead_now(on_its_clock: Any) -> None:
    """The others are tried, and the next one that works comes first."""
    there = net(FOUR[:2], [0.1, 0.2])
    backend, clock = on_its_clock(there)
    connects(backend, clock, there)
    there.addresses[FOUR[0]] = None
    took = [connects(backend, clock, there) for _ in range(2)]
    del there.addresses[FOUR[1]]
    there.addresses[FOUR[2]] = 0.3
    there.addresses[FOUR[0]] = "refuses"
    took.append(connects(backend, clock, there))

    assert took == pytest.approx([ATTEMPT + 0.2, 0.2, 0.3])


def test_one_address_has_all_the_time(on_its_clock: Any) -> None:
    """There is no other."""
    there = net(FOUR[:1], [FULL - 1])
    backend, clock = on_its_clock(there)

    assert connects(backend, clock, there) == pytest.approx(FULL - 1)


@given(st.lists(st.sampled_from([None, "refuses", 0.01, 1.0, 3.0]), min_size=1, max_size=6), st.integers(0, 63))
def test_never_later_than_the_deadline_and_always_if_one_is_quick(takes: list[float | str | None], kinds: int) -> None:
    """Whatever the addresses do: it ends in time, and one that answers within its first moment is found."""
    names = [(SIX, FOUR)[kinds >> n & 1][n % 3] + str(n) for n in range(len(takes))]
    there = net(names, takes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: there.now))
        patch.setattr(deadline, "_look_up", lambda *_: list(there.addresses))
        clock = Deadline()
        try:
            connects(TimedBackend(there, clock), clock, there)
            found = True
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            found = False

    assert there.now - 1000 <= FULL + 1e-6
    assert found or 0.01 not in takes
    assert found or 1.0 not in takes
    assert {address for address, _ in there.tried} == set(names) or found


@pytest.mark.parametrize(
    ("addresses", "first", "expected"),
    [
        ([], "", []),
        (FOUR, "", FOUR),
        ([*SIX[:2], *FOUR[:2]], "", [SIX[0], FOUR[0], SIX[1], FOUR[1]]),
        ([*FOUR[:2], *SIX[:2]], "", [FOUR[0], SIX[0], FOUR[1], SIX[1]]),
        ([*SIX, FOUR[0]], "", [SIX[0], FOUR[0], SIX[1], SIX[2]]),
        ([*SIX, FOUR[0]], FOUR[0], [FOUR[0], *SIX]),
        ([*SIX, FOUR[0]], SIX[2], [SIX[2], SIX[0], FOUR[0], SIX[1]]),
        (FOUR, "203.0.113.9", FOUR),
    ],
)
def test_in_turn(addresses: list[str], first: str, expected: list[str]) -> None:
    """The system's order within a kind; the kinds in turn; what worked last before all, while the name has it."""
    assert in_turn(addresses, first=first) == expected


# Whether the request left.


@pytest.mark.parametrize(
    ("buffers", "written"),
    [
        ([], False),
        ([b"CONNECT api.invalid:443 HTTP/1.1\r\n\r\n"], False),
        ([b"\x05\x01\x00"], False),
        ([b"CONNECT a:443 HTTP/1.1\r\n\r\n", b"POST /v1/messages HTTP/1.1\r\n\r\n"], True),
        ([b"POST /v1/messages HTTP/1.1\r\n\r\n", b"{}"], True),
    ],
)
def test_what_counts_as_the_request(on_its_clock: Any, buffers: list[bytes], written: bool) -> None:
    """Not what is said to a proxy before it."""
    there = net(FOUR[:1], [0.1])
    backend, clock = on_its_clock(there)
    with clock.within(FULL, begins=b"POST "):
        stream = backend.connect_tcp("api.invalid", 443)
        for buffer in buffers:
            stream.write(buffer)
    found = clock.written
    with clock.within(FULL, begins=b"POST "):
        again = clock.written

    assert (found, again) == (written, False)
    assert there.stream.written == buffers


def test_a_write_that_fails_may_have_written(on_its_clock: Any) -> None:
    """Nobody says how much; but where no time was left for it, nothing was."""
    there = net(FOUR[:1], [0.1])
    there.stream.fails = 0
    backend, clock = on_its_clock(there)
    with clock.within(FULL, begins=b"POST "):
        stream = backend.connect_tcp("api.invalid", 443)
        with pytest.raises(httpcore.WriteError):
            stream.write(b"POST / HTTP/1.1\r\n\r\n")
    failed = clock.written
    with clock.within(FULL, begins=b"POST "):
        there.now += FULL
        with pytest.raises(httpcore.WriteTimeout):
            stream.write(b"POST / HTTP/1.1\r\n\r\n")
    late = clock.written

    assert (failed, late) == (True, False)


@pytest.mark.parametrize(("version", "stands"), [("TLSv1.3", True), (None, False)])
def test_tls_that_does_not_stand_is_no_connection(on_its_clock: Any, version: str | None, stands: bool) -> None:
    """Python wraps what has broken off without a handshake; a request would then be written as it is."""
    there = net(FOUR[:1], [0.1])
    there.stream.tls = SimpleNamespace(version=lambda: version)
    backend, clock = on_its_clock(there)
    with clock.within(FULL, begins=b"POST "):
        stream = backend.connect_tcp("api.invalid", 443)
        if stands:
            stream.start_tls(None).write(b"POST / HTTP/1.1\r\n\r\n")
        else:
            with pytest.raises(httpcore.ConnectError):
                stream.start_tls(None)

    assert (clock.written, there.stream.closed) == (stands, not stands)
