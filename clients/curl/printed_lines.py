"""The two curl lines that `remint serve --dev` prints, run by bash as they stand.

What else is to be known of an answer, its status and headers, curl tells through its configuration
file, so that the lines themselves stay untouched.

Usage: printed_lines.py PRINTED
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REGISTERED = "email offline_access openid profile read write"
SEEDED = "read write"


def main(printed):
    lines = re.findall(r"^ +(curl .*)$", Path(printed).read_text(), re.MULTILINE)
    expect(len(lines) == 2, f"two curl lines are printed, not {len(lines)}")
    password, refresh = lines
    sent = re.search(r"refresh_token=(rmrt_[\w-]+)", refresh)
    expect(sent is not None, "the second line has a refresh token in it")

    # Without a scope it is the registered one, an ID token with it; the session that the second line
    # goes on with was given less.
    first = granted(run(password), REGISTERED)
    second = granted(run(refresh), SEEDED)
    expect(second["refresh_token"] != sent[1], "a refresh gives another refresh token")

    # The same line again is a used refresh token, which ends its session ...
    refused(run(refresh))
    refused(run(refresh.replace(sent[1], second["refresh_token"])))
    # ... and no other: the one that the password began goes on.
    granted(run(refresh.replace(sent[1], first["refresh_token"])), REGISTERED)


def run(line):
    """The status, the headers and the members of what the line gets."""
    with tempfile.TemporaryDirectory() as home:
        head = Path(home, "head")
        config = f'silent\nshow-error\nmax-time = 30\ndump-header = "{head}"\n'
        Path(home, ".curlrc").write_text(config)
        environment = {**os.environ, "CURL_HOME": home}
        body = subprocess.run(
            ["bash", "-c", line], env=environment, check=True, stdout=subprocess.PIPE
        ).stdout
        status, *fields = head.read_text().splitlines()
    headers = dict(field.lower().split(": ", 1) for field in fields if field)
    return int(status.split()[1]), headers, json.loads(body)


def granted(answer, scope):
    """Checks a successful answer (RFC 6749 section 5.1)."""
    status, headers, members = answer
    expect(status == 200, f"status 200, not {status}: {members}")
    uncached(headers)
    names = {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    # OpenID Connect Core 3.1.3.3 and 12.2
    if "openid" in scope.split():
        names.add("id_token")
    expect(set(members) == names, f"exactly the members {names}, not {set(members)}")
    expect(members["access_token"].startswith("rmat_"), "an access token")
    expect(members["refresh_token"].startswith("rmrt_"), "a refresh token")
    expect(members["token_type"] == "Bearer", "a bearer token")
    expect(members["expires_in"] == 3600, "an hour's life")
    expect(members["scope"] == scope, f"the scope {scope}, not {members['scope']}")
    return members


def refused(answer):
    """Checks the answer to a dead refresh token (RFC 6749 section 5.2)."""
    status, headers, members = answer
    expect(status == 400, f"status 400, not {status}: {members}")
    uncached(headers)
    expect(members["error"] == "invalid_grant", f"invalid_grant, not {members}")


def uncached(headers):
    expect(headers.get("content-type", "").startswith("application/json"), "JSON")
    expect(headers.get("cache-control") == "no-store", f"Cache-Control: no-store in {headers}")
    expect(headers.get("pragma") == "no-cache", f"Pragma: no-cache in {headers}")


def expect(holds, what):
    if not holds:
        sys.exit(f"expected: {what}")


main(*sys.argv[1:])
