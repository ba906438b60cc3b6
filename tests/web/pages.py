"""A page, read and sent as a browser without JavaScript does it."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode

from dispatcher.web.pages.words import url
from tests.web.conftest import OWN

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Document(HTMLParser):
    """A page, taken apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def every(self, tag, attribute):
        return [attrs[attribute] for name, attrs in self.tags if name == tag and attribute in attrs]


def page(site, *parts, **query):
    answer = site.browser.get(url(*parts, **query), headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return Document(answer.text)


def sent(site, *parts, **fields):
    headers = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}  # a browser says so for an empty form as well
    return site.browser.post(url(*parts), content=urlencode(fields, doseq=True), headers=headers)
