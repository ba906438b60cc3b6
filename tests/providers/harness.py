"""A provider type and the cloud behind it, in the words the contract suite speaks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar

import pytest

from providers.base import Accepted, Job, JobState, Provider, Submission

ABILITIES: Mapping[str, str] = {
    "lose": "an answer or a request can get lost on its way",
    "unique": "of submissions of one name that are on their way at once one starts a job; without it the claim alone protects",
    "throttle": "it refuses for a rate, a quota or missing capacity",
    "unreachable": "it is somewhere else and may not answer at all",
    "repeat_after_end": "a submission of a name whose job has ended starts nothing, even without a look-up before it",
    "labels": "a job's labels can be read back",
    "leftovers": "an ended job leaves something behind that `sweep` or `discard` removes",
    "forget": "it forgets ended jobs",
    "times": "it tells when a job ended",
}
"""What a harness may lack, and what having it means. Everything else every type must do."""

SECRET = "hush-4711"
LABELS = {"push-dispatcher/run_id": "0badcafe", "push-dispatcher/work_pool": "contract-pool"}
ENVIRONMENT = {"DISPATCHER_RUN_ID": "0badcafe", "DISPATCHER_RUN_NAME": SECRET}

_numbers = count(1)


class ProviderHarness(ABC):
    """One provider and the cloud behind it, as a test needs them."""

    lacks: ClassVar[Mapping[str, str]] = {}
    """Abilities (see `ABILITIES`) that this type does not have, each with the reason."""

    @property
    @abstractmethod
    def provider(self) -> Provider:
        """The provider under test: the same object every time."""

    @abstractmethod
    def another(self) -> Provider:
        """A provider as a cold invocation would make it, of the same cloud."""

    @abstractmethod
    def configuration(self) -> dict[str, Any]:
        """A new job configuration that is accepted, of a job that runs until it is finished or cancelled."""

    @abstractmethod
    def settle(self) -> None:
        """Let all happen that is under way: accepted jobs run and show up in every look-up, stops have taken effect."""

    @abstractmethod
    def finish(self, name: str, exit_code: int) -> None:
        """Let the job end by itself; the end can be seen when this returns."""

    @abstractmethod
    def starts(self, name: str) -> int:
        """How many jobs were ever started under the name."""

    @abstractmethod
    def environment(self, name: str) -> Mapping[str, str]:
        """The environment variables that the job was started with."""

    @abstractmethod
    def refuse_next(self) -> tuple[dict[str, Any], str]:
        """A configuration whose next submission is refused for good, and words that the reason then holds."""

    def wait(self, seconds: float) -> None:  # noqa: B027 - most have no need of it
        """Let the cloud's time pass, for quotas and whatever else needs it; nothing where no time plays a part."""

    def labels(self, name: str) -> Mapping[str, str]:
        """The labels the job was started with, in the cloud's spelling. Ability `labels`."""
        raise NotImplementedError

    def lose_next_answer(self) -> None:
        """The next submission takes effect, and its answer never arrives. Ability `lose`."""
        raise NotImplementedError

    def lose_next_request(self) -> None:
        """The next submission never arrives. Ability `lose`."""
        raise NotImplementedError

    def throttle_next(self) -> None:
        """The next submission is refused for now. Ability `throttle`."""
        raise NotImplementedError

    def unreachable(self) -> Provider:
        """A provider of the same type whose cloud does not answer; quick to notice. Ability `unreachable`."""
        raise NotImplementedError

    def forget(self, name: str) -> None:
        """Let the cloud forget an ended job, in whatever way it does. Ability `forget`."""
        raise NotImplementedError

    def leftover(self, name: str) -> bool:
        """True while something of the job is at the provider. Ability `leftovers`."""
        raise NotImplementedError

    def needs(self, ability: str) -> None:
        """Skip the test, in so many words, when the type has no such ability."""
        if ability in self.lacks:
            pytest.skip(f"{type(self).__name__} lacks {ability!r}: {self.lacks[ability]}")

    def job(self, **fields: Any) -> Job:
        """A new job that this type accepts."""
        values = {"configuration": self.configuration(), "environment": ENVIRONMENT, "labels": LABELS, **fields}
        return Job(**{"name": f"r{next(_numbers):032x}-1", **values})

    def submitted(self, job: Job) -> Submission:
        """Submit a job that must be accepted."""
        outcome = self.provider.submit(job)
        assert isinstance(outcome, Accepted), outcome
        return outcome.submission

    def state(self, submission: Submission) -> JobState:
        """What a cold invocation sees of the job, after everything has settled."""
        self.settle()
        return self.another().observe([submission])[submission.name].state
