"""What every provider must make of a hostile network, with its SDK as it is.

A type takes part with a fixture `far`: its harness, a proxy before its emulator, and two providers that speak through it.

* Junk in any place of any answer, another body, another job's name: only declared errors come out, nothing counts as there
  that is not, and a live job is never seen to have ended.
* An answer that drips, or never comes: every call ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from providers.base import Accepted, Job, JobState, Outcome, Provider, ProviderError, Submission
from tests.network.canned import exchanged, giving, put_in, spoiled
from tests.network.faults import Answer, Fault, always, bodies, every_unasked
from tests.network.json_paths import GONE
from tests.network.proxy import Exchange, HttpProxy, on_a_thread
from tests.providers.harness import ProviderHarness

OTHER = "rffffffffffffffffffffffffffffffff-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """A provider type behind a network."""

    harness: ProviderHarness
    proxy: HttpProxy
    provider: Provider
    """Its first submission has been made: what it looks up once is known."""
    hasty: Provider
    """One whose calls may take half a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Jobs at the far side, in each state that matters."""

    new: Job
    running: Job
    live: Submission
    failed: Submission
    """With exit code 3."""


def a_situation(harness: ProviderHarness) -> Situation:
    new, running, failed = (harness.job() for _ in range(3))
    live, ended = (harness.submitted(job) for job in (running, failed))
    harness.settle()
    harness.finish(failed.name, 3)
    harness.settle()
    return Situation(new=new, running=running, live=live, failed=ended)


Verb = Callable[[Provider, Situation], Any]
VERBS: dict[str, Verb] = {
    "submit": lambda provider, those: provider.submit(those.new),
    "find": lambda provider, those: provider.find(those.running),
    "observe": lambda provider, those: provider.observe([those.live, those.failed]),
    "cancel": lambda provider, those: provider.cancel(those.live),
    "discard": lambda provider, those: provider.discard([those.failed]),
    "sweep": lambda provider, those: provider.sweep(those.new.configuration, frozenset({those.running.name})),
}


Judge = Callable[[str, Situation, Any], None]


def judge(verb: str, those: Situation, answer: Any) -> None:
    """What is wrong with an answer in any situation."""
    if verb == "submit":
        assert isinstance(answer, Outcome), answer
        assert not isinstance(answer, Accepted) or answer.submission.name == those.new.name
    elif verb == "find":
        assert answer is None or answer.name == those.running.name
    elif verb == "observe":
        for name, seen in answer.items():
            assert name in (those.live.name, those.failed.name)
            assert seen.state is not JobState.SUCCEEDED, seen
            assert name == those.failed.name or not seen.state.is_end, seen
            assert seen.state is not JobState.FAILED or seen.exit_code in (3, None), seen
    elif verb == "discard":
        assert answer <= {those.failed.name}


def denied(verb: str, those: Situation, answer: Any) -> None:
    """Likewise where nothing was answered: nothing may count as there, or as gone."""
    judge(verb, those, answer)
    if verb == "submit":
        assert not isinstance(answer, Accepted), answer
    elif verb in ("find", "cancel"):
        raise AssertionError(f"{verb} answered {answer!r}")
    elif verb == "observe":
        assert all(seen.state is JobState.UNREADABLE for seen in answer.values()), answer
    else:
        assert not answer, answer


def what_comes(verb: str, provider: Provider, those: Situation, judged: Judge, case: Any) -> None:
    """Make the call and judge it; nothing but the declared errors may be raised."""
    try:
        answer = VERBS[verb](provider, those)
    except ProviderError:
        return
    except Exception as problem:
        raise AssertionError(f"{verb}: {case}: {problem!r}") from problem
    try:
        judged(verb, those, answer)
    except AssertionError as problem:
        raise AssertionError(f"{verb}: {case}: {problem}") from problem


class NetworkContract:
    """Derive `TestX` from it and give it a fixture `far`."""

    @pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "sweep"])
    def test_junk_in_any_place_of_any_answer_breaks_no_promise(self, far, verb):
        those = a_situation(far.harness)
        real = made(far, verb, those)
        for case in spoiled([exchange.answer for exchange in real]):
            with replaced_at(far, real, case.turn, case.answer):
                what_comes(verb, far.provider, those, self.judged(case), case)

    @staticmethod
    def judged(case: Any) -> Judge:
        """A job that is there is not said to be absent, but where the answer that would list it lists nothing."""

        def judged(verb: str, those: Situation, answer: Any) -> None:
            judge(verb, those, answer)
            emptied = case.junk is GONE and isinstance(case.path[-1], int)
            assert verb != "find" or emptied or case.junk == [] or answer is not None, "there is nothing, it says"

        return judged

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_foreign_answer_counts_as_no_answer(self, far, verb):
        those = a_situation(far.harness)
        real = made(far, verb, those)
        for foreign in (*every_unasked(), *bodies()):
            with giving(far.proxy, [exchange.call.action for exchange in real], [foreign] * len(real)):
                what_comes(verb, far.provider, those, denied, foreign)

    @pytest.mark.parametrize("verb", ["submit", "find", "observe"])
    def test_an_answer_about_another_job(self, far, verb):
        those = a_situation(far.harness)
        real = made(far, verb, those)
        names = [job.name for job in (those.new, those.running, those.failed)]
        others = [renamed(exchange.answer, names) for exchange in real]
        if others == [exchange.answer.with_body(exchange.answer.body) for exchange in real]:
            pytest.skip(f"{type(far.harness).__name__}: what it answers to {verb} holds no name: the request alone picks")
        with giving(far.proxy, [exchange.call.action for exchange in real], others):
            what_comes(verb, far.provider, those, self.about_another, "another job's name")

    @staticmethod
    def about_another(verb: str, those: Situation, answer: Any) -> None:
        judge(verb, those, answer)
        assert not isinstance(answer, Accepted | Submission), answer
        if verb == "observe":
            ends = [seen for seen in answer.values() if seen.state.is_end or seen.state is JobState.RUNNING]
            assert not ends, ends

    @pytest.mark.parametrize("fault", [Fault.DRIP, Fault.SILENT])
    @pytest.mark.parametrize("verb", VERBS)
    def test_an_answer_that_drips_or_never_comes_ends_with_the_call(self, far, verb, fault):
        those = a_situation(far.harness)
        asked_of(far, verb)
        far.proxy.script = always(fault)
        on_a_thread(lambda: what_comes(verb, far.hasty, those, denied, fault))

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_refused_connection(self, far, verb):
        those = a_situation(far.harness)
        asked_of(far, verb)
        with far.proxy.refusing():
            what_comes(verb, far.provider, those, denied, "refused")


def made(far: Far, verb: str, those: Situation) -> Sequence[Exchange]:
    """The exchanges of a verb to which nothing happens."""
    asked_of(far, verb)
    if verb == "sweep":
        far.harness.wait(3600)
    return exchanged(far.proxy, lambda: VERBS[verb](far.provider, those))


def asked_of(far: Far, verb: str) -> None:
    """Skip what makes no call."""
    if verb in ("discard", "sweep") and not far.provider.limits.lingers:
        pytest.skip(f"{type(far.harness).__name__}: nothing lingers, so that {verb} makes no call")


def replaced_at(far: Far, real: Sequence[Exchange], turn: int, answer: Answer) -> Any:
    answers = put_in([exchange.answer for exchange in real], turn, answer)
    return giving(far.proxy, [exchange.call.action for exchange in real], answers)


def renamed(answer: Answer, names: Sequence[str]) -> Answer:
    body = answer.body
    for name in names:
        body = body.replace(name.encode(), OTHER.encode())
    return answer.with_body(body)


def between(harness: ProviderHarness, proxy: HttpProxy, provider: Provider, hasty: Provider) -> Iterator[Far]:
    """A `far` whose provider has made its first submission."""
    assert isinstance(provider.submit(harness.job()), Accepted)
    harness.settle()
    yield Far(harness=harness, proxy=proxy, provider=provider, hasty=hasty)
