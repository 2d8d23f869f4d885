"""A person at a browser, as the server sees one: cookies, redirects one by one, forms."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

PERSON = {"username": "alice", "password": "wonderland"}
BUTTONS = ("login-submit", "consent-allow", "logout-confirm")


class Browser:
    def __init__(self, certificate):
        self.session = requests.Session()
        self.session.verify = certificate
        self.session.trust_env = False

    def visit(self, url, stop, consent="consent-allow"):
        """Opens a URL, signs in and presses the named button where pages ask, until the browser is
        sent to a URL that begins with `stop`, or shows some other page if that is None.

        Gives that URL, or the other page, and the ids of the buttons that were pressed.
        """
        pressed = []
        response = self._send("GET", url)
        for _ in range(16):
            if (location := response.headers.get("Location")) is not None:
                url = urljoin(response.url, location)
                if stop is not None and url.startswith(stop):
                    return url, pressed
                response = self._send("GET", url)
                continue
            form = next((form for form in forms(response.text) if form.has(BUTTONS)), None)
            if form is None:
                if stop is None:
                    return response, pressed
                raise AssertionError(f"an unexpected page, {response.status_code}: {response.text}")
            button = consent if form.has([consent]) else form.has(BUTTONS)
            pressed.append(button)
            fields = form.filled_in(PERSON, button)
            response = self._send("POST", urljoin(response.url, form.action), data=fields)
        raise AssertionError(f"no end of redirects and pages from {url}")

    def _send(self, method, url, **options):
        return self.session.request(method, url, allow_redirects=False, timeout=30, **options)


class Form:
    def __init__(self, action):
        self.action = action
        self.fields = {}
        self.buttons = {}

    def has(self, buttons):
        """The first of these buttons that is here."""
        return next((button for button in buttons if button in self.buttons), None)

    def filled_in(self, values, button):
        fields = {name: values.get(name, value) for name, value in self.fields.items()}
        name, value = self.buttons[button]
        return fields if name is None else {**fields, name: value}


def forms(page):
    found = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            attributes = dict(attrs)
            if tag == "form":
                found.append(Form(attributes["action"]))
            elif tag == "input":
                found[-1].fields[attributes["name"]] = attributes.get("value", "")
            elif tag == "button" and "id" in attributes:
                pair = attributes.get("name"), attributes.get("value")
                found[-1].buttons[attributes["id"]] = pair

    Parser().feed(page)
    return found
