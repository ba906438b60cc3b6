"""The web server of the emulators answers for an application that fails."""

import json
import logging
import urllib.error
import urllib.request

import pytest

from providers.emulators.web import HttpRequest, Response, WebServer


def test_an_application_that_raises_answers_500_with_the_error_and_the_server_goes_on(caplog):
    def application(request: HttpRequest) -> Response:
        return Response.json({"half": 1 / int(request.query["divisor"])})

    server = WebServer(None, application)
    server.start()
    try:
        with caplog.at_level(logging.ERROR), pytest.raises(urllib.error.HTTPError) as failure:
            urllib.request.urlopen(f"{server.url}/half?divisor=0")
        with urllib.request.urlopen(f"{server.url}/half?divisor=2") as answer:
            assert json.load(answer) == {"half": 0.5}
    finally:
        server.stop()
    with failure.value as refused:
        assert (refused.status, json.load(refused)) == (
            500,
            {"error": "the emulator failed: ZeroDivisionError: division by zero"},
        )
    assert "an emulator failed to answer" in caplog.text
