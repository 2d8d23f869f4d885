"""Debian's mod_auth_openidc: a page behind an Apache that this starts, opened by signing in.

Usage: mod_auth_openidc.py ISSUER CERTIFICATE
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
from browser import Browser  # noqa: E402

PROTECTED = """\
<!--#echo var="REMOTE_USER" -->
<!--#echo var="OIDC_CLAIM_iss" -->
<!--#echo var="OIDC_CLAIM_auth_time" -->
<!--#echo var="OIDC_CLAIM_name" -->
<!--#echo var="OIDC_access_token" -->
"""


def main(issuer, certificate):
    version = version_of("libapache2-mod-auth-openidc")

    def step(what):
        print(f"mod_auth_openidc {version}: {what}", flush=True)

    with tempfile.TemporaryDirectory() as directory, apache(directory, issuer, certificate) as home:
        protects(issuer, certificate, home, step)


def version_of(package):
    command = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextlib.contextmanager
def apache(directory, issuer, certificate):
    """Runs Apache without the rights of root; gives its URL."""
    directory = Path(directory)
    # Copies, as it may read little else.
    shutil.copy(certificate, directory / "certificate.pem")
    shutil.copy(Path(__file__).with_name("apache.conf"), directory)
    for name, text in (("index.html", "for everyone\n"), ("protected/index.html", PROTECTED)):
        page = directory / "pages" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {"port": port, "dir": directory, "issuer": issuer}
    command = ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(directory / "apache.conf")]
    for name, value in values.items():
        command += ["-C", f"Define {name} {value}"]
    with open(directory / "output", "wb") as output:
        running = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **without_root(directory),
        )
    try:
        wait_for(port, running)
        yield f"http://127.0.0.1:{port}/"
    except BaseException:
        for name in ("output", "error.log"):
            log = directory / name
            print(f"{name} of Apache:\n{log.read_text() if log.exists() else ''}", flush=True)
        raise
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def without_root(directory):
    """Gives the files to `nobody`, and says how to run as it, if this is root."""
    if os.geteuid() != 0:
        return {}
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def wait_for(port, running):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        expect(running.poll() is None, "Apache stays up")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.05)
    sys.exit("expected: Apache listens")


def protects(issuer, certificate, home, step):
    browser = Browser(certificate)
    protected = f"{home}protected/"
    url, _ = browser.visit(protected, f"{issuer}/oauth2/authorize")
    asked = parse_qs(urlsplit(url).query)
    expect(asked["code_challenge_method"] == ["S256"], f"PKCE with S256, not {asked}")
    expect("nonce" in asked and "state" in asked, f"nonce and state in {asked}")
    step("discovery; the page is not shown, the browser is sent to sign in with PKCE")

    page, pressed = browser.visit(url, None)
    expect(pressed[:1] == ["login-submit"], f"the sign-in page, not {pressed}")
    subject, iss, auth_time, name, access_token = shown(page, protected)
    expect(subject.startswith("usr_"), f"the subject, not {page.text}")
    expect(iss == issuer, f"the issuer, not {page.text}")
    expect(auth_time.isdigit(), f"auth_time, not {page.text}")
    expect(name == "Alice Liddell", f"a claim of userinfo, not {page.text}")
    expect(access_token.startswith("rmat_"), f"an access token, not {page.text}")
    step("code redeemed, ID token checked by the jwks, userinfo fetched: the page is shown")

    page, pressed = browser.visit(protected, None)
    expect(pressed == [] and page.url == protected, f"no question in a session, not {pressed}")
    expect(shown(page, protected)[0] == subject, f"the same person, not {page.text}")
    step("session of its own")

    # Both sessions end, the module's and the server's, so this browser has to sign in again.
    query = urlencode({"logout": home})
    page, pressed = browser.visit(f"{home}callback?{query}", None)
    expect(page.url.split("?")[0] == home, f"the start page, not {page.url}")
    expect(page.text == "for everyone\n", f"the start page, not {page.text}")
    expect(pressed == [], f"no question where the ID token is the session's, not {pressed}")
    page, pressed = browser.visit(protected, None)
    expect(pressed[:1] == ["login-submit"], f"the sign-in page, not {pressed}")
    expect(shown(page, protected)[0] == subject, f"the same person, not {page.text}")
    step("logout of its session and, by RP-initiated logout, of the server's")


def shown(page, protected):
    expect(page.status_code == 200 and page.url == protected, f"the page: {page.url} {page.text}")
    return page.text.splitlines()


def expect(holds, what):
    if not holds:
        sys.exit(f"expected: {what}")


main(*sys.argv[1:])
