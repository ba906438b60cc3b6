"""Modal behind a hostile network: below gRPC at the wire, and in its messages field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from providers.base import Accepted, JobState, Unknown
from providers.emulators.modal import ModalEmulator
from providers.modal import ModalProvider
from tests.network.faults import Fault, always
from tests.network.proxy import on_a_thread
from tests.network.wire import TcpProxy
from tests.providers.modal.builders import a_job
from tests.providers.modal.test_contract import ModalHarness
from tests.providers.network_contract import VERBS, Situation, a_situation, denied, judge, what_comes

Answer = Any
"""One message, or a list of them for a stream."""
ASKING = [verb for verb in VERBS if verb not in ("discard", "sweep")]
"""What makes a call: nothing lingers at Modal."""


@pytest.fixture
def those(emulator: ModalEmulator, signed_in) -> Situation:
    return a_situation(ModalHarness(emulator))


@pytest.fixture
def wire(emulator: ModalEmulator) -> Iterator[TcpProxy]:
    with TcpProxy(int(emulator.url.rpartition(":")[2])) as wire:
        yield wire


def a_provider(url: str, seconds: float = 5.0) -> ModalProvider:
    return ModalProvider(server_url=url, call_timeout=seconds, gpu_timeout=seconds)


@contextmanager
def answering(emulator: ModalEmulator, change: Callable[[str, Answer], Answer]) -> Iterator[None]:
    """The emulator acts, and its answers are changed."""
    service = emulator._service
    real = service._once

    async def once(name: str, request: Message, metadata: Any) -> Answer:
        return change(name, await real(name, request, metadata))

    service._once = once
    yield
    service._once = real


def answered(emulator: ModalEmulator, act: Callable[[], Any]) -> list[tuple[str, Answer]]:
    """What is answered to whatever a verb asks."""
    seen: list[tuple[str, Answer]] = []

    def note(name: str, answer: Answer) -> Answer:
        seen.append((name, answer))
        return answer

    with answering(emulator, note):
        act()
    return seen


def spoiled(message: Message) -> Iterator[tuple[str, Message]]:
    """The message with each of its fields taken away, or with something else in it; and so for the messages in it."""
    for field, value in message.ListFields():
        yield f"{field.name} gone", _changed(message, lambda copy, name=field.name: copy.ClearField(name))
        if field.is_repeated:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for what, inner in spoiled(value):
                yield (
                    f"{field.name}.{what}",
                    _changed(message, lambda copy, name=field.name, inner=inner: getattr(copy, name).CopyFrom(inner)),
                )
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield f"{field.name} junk", _changed(message, lambda copy, name=field.name: setattr(copy, name, "junk"))


def _changed(message: Message, change: Callable[[Message], Any]) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    change(copy)
    return copy


@pytest.mark.parametrize("verb", ASKING)
def test_junk_in_any_field_of_any_answer_of_modal_breaks_no_promise(emulator, those, verb):
    """What submits is asked for anew each time, by a job of its own."""
    provider = a_provider(emulator.url)
    assert isinstance(provider.submit(a_job(1001)), Accepted)
    for name, answer in answered(emulator, lambda: VERBS[verb](a_provider(emulator.url), those)):
        if not isinstance(answer, Message):
            continue
        for what, other in [*spoiled(answer), ("empty", type(answer)())]:
            with answering(emulator, lambda asked, real, name=name, other=other: other if asked == name else real):
                what_comes(verb, provider, those, judge, f"{name}: {what}")


@pytest.mark.parametrize("verb", ["find", "observe", "cancel"])
def test_empty_answers_to_everything_say_nothing(emulator, those, verb):
    provider = a_provider(emulator.url)
    assert isinstance(provider.submit(a_job(1001)), Accepted)
    empty = lambda _name, real: type(real)() if isinstance(real, Message) else []  # noqa: E731
    with answering(emulator, empty):
        what_comes(verb, provider, those, nothing_ended, "empty")


def nothing_ended(verb: str, those: Situation, answer: Any) -> None:
    judge(verb, those, answer)
    assert verb != "find" or answer is not None
    assert verb != "observe" or all(seen.state in (JobState.UNREADABLE, JobState.RUNNING) for seen in answer.values()), answer


def test_an_empty_answer_to_a_creation_starts_one_sandbox_that_is_found(emulator, those):
    """The provider may have looked it up at once: then it is accepted."""
    provider = a_provider(emulator.url)
    with answering(emulator, lambda name, real: type(real)() if name == "SandboxCreateV2" else real):
        assert isinstance(provider.submit(those.new), Accepted | Unknown)
    emulator.book.settle()
    submission = provider.find(those.new)
    assert submission is not None
    assert emulator.starts[those.new.name] == 1


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.HALF, Fault.SILENT, Fault.DRIP])
@pytest.mark.parametrize("verb", ASKING)
def test_a_broken_or_endless_answer_breaks_no_promise(wire, those, fault, verb):
    wire.script = always(fault)
    on_a_thread(lambda: what_comes(verb, a_provider(f"http://127.0.0.1:{wire.port}", 0.5), those, denied, fault))


@pytest.mark.parametrize("verb", ASKING)
def test_a_refused_connection_breaks_no_promise(wire, those, verb):
    with wire.refusing():
        on_a_thread(lambda: what_comes(verb, a_provider(f"http://127.0.0.1:{wire.port}", 0.5), those, denied, "refused"))
