"""requests-oauthlib: a password grant, then refreshes by hand and by themselves.

Usage: requests_oauthlib_client.py URL CERTIFICATE
"""

import sys

import requests
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

CLIENT, SECRET = "demo", "demo-secret"
SCOPE = ["read", "write"]


def main(url, certificate):
    token_url = f"{url}/oauth2/token"
    # With the system's own authorities the certificate must not pass, or nothing is checked at all.
    mistrusting = requests.Session()
    mistrusting.trust_env = False
    try:
        mistrusting.get(f"{url}/health/live", timeout=30)
        sys.exit("expected: the self-signed certificate is refused where it is not trusted")
    except requests.exceptions.SSLError:
        pass

    refreshes_by_hand(token_url, certificate)
    refreshes_by_itself(url, token_url, certificate)


def login(token_url, certificate, **options):
    client = LegacyApplicationClient(client_id=CLIENT, scope=SCOPE)
    session = OAuth2Session(client=client, **options)
    session.verify = certificate
    session.trust_env = False
    token = session.fetch_token(
        token_url, username="alice", password="wonderland", client_secret=SECRET, timeout=30
    )
    expect(token["token_type"] == "Bearer", "a bearer token")
    expect(token["scope"] == SCOPE, f"the scope that was asked for, not {token['scope']}")
    return session


def refreshes_by_hand(token_url, certificate):
    """`OAuth2Session.refresh_token`, the client's secret in the header."""
    session = login(token_url, certificate)
    auth = HTTPBasicAuth(CLIENT, SECRET)
    used = session.token
    for _ in range(3):
        before = session.token
        after = session.refresh_token(token_url, auth=auth, timeout=30)
        expect(after["refresh_token"] != before["refresh_token"], "another refresh token")
        expect(after["access_token"] != before["access_token"], "another access token")
        expect(after["scope"] == before["scope"], "the same scope")
    try:
        session.refresh_token(token_url, used["refresh_token"], auth=auth, timeout=30)
        sys.exit("expected: a used refresh token is refused")
    except InvalidGrantError:
        pass


def refreshes_by_itself(url, token_url, certificate):
    """A request with an access token that is over; the client's secret in the body."""
    saved = []
    session = login(
        token_url,
        certificate,
        auto_refresh_url=token_url,
        auto_refresh_kwargs={"client_id": CLIENT, "client_secret": SECRET},
        token_updater=saved.append,
    )
    for count in (1, 2):
        before = dict(session.token)
        session.token = {**before, "expires_at": 1}
        response = session.get(f"{url}/health/live", timeout=30)
        expect(response.status_code == 200, f"status 200, not {response.status_code}")
        expect(len(saved) == count, f"{count} refreshes, not {len(saved)}")
        expect(saved[-1]["refresh_token"] != before["refresh_token"], "another refresh token")
        sent = response.request.headers["Authorization"]
        expect(sent == f"Bearer {saved[-1]['access_token']}", "the new access token is sent")
    session.get(f"{url}/health/live", timeout=30)
    expect(len(saved) == 2, "no refresh while the access token lives")


def expect(holds, what):
    if not holds:
        sys.exit(f"expected: {what}")


main(*sys.argv[1:])
