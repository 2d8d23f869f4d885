"""Authlib on requests: a password grant, refreshes by hand and by themselves, introspection and
revocation.

Usage: authlib_client.py URL CERTIFICATE
"""

import sys

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session


def main(url, certificate):
    for method in ("client_secret_basic", "client_secret_post"):
        refreshes_by_hand(url, certificate, method)
        refreshes_by_itself(url, certificate, method)
        introspects_and_revokes(url, certificate, method)


def login(url, certificate, method, **options):
    session = OAuth2Session(
        "demo",
        "demo-secret",
        scope="read write",
        token_endpoint=f"{url}/oauth2/token",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        default_timeout=30,
        **options,
    )
    session.verify = certificate
    session.trust_env = False
    session.fetch_token(username="alice", password="wonderland", grant_type="password")
    expect(session.token["token_type"] == "Bearer", "a bearer token")
    expect(session.token["scope"] == "read write", "the scope that was asked for")
    return session


def refreshes_by_hand(url, certificate, method):
    session = login(url, certificate, method)
    first = session.token["refresh_token"]
    for _ in range(3):
        before = dict(session.token)
        after = session.refresh_token()
        expect(after["refresh_token"] != before["refresh_token"], "another refresh token")
        expect(after["access_token"] != before["access_token"], "another access token")
        expect(after["scope"] == before["scope"], "the same scope")
    try:
        session.refresh_token(refresh_token=first)
        sys.exit("expected: a used refresh token is refused")
    except OAuthError as refusal:
        expect(refusal.error == "invalid_grant", f"invalid_grant, not {refusal.error}")


def refreshes_by_itself(url, certificate, method):
    """A request with an access token that is over."""
    saved = []

    def update_token(token, refresh_token):
        saved.append((dict(token), refresh_token))

    session = login(url, certificate, method, update_token=update_token)
    for count in (1, 2):
        before = dict(session.token)
        session.token = {**before, "expires_at": 1}
        response = session.get(f"{url}/health/live")
        expect(response.status_code == 200, f"status 200, not {response.status_code}")
        expect(len(saved) == count, f"{count} refreshes, not {len(saved)}")
        token, used = saved[-1]
        expect(used == before["refresh_token"], "the last refresh token is used")
        expect(token["refresh_token"] != used, "another refresh token")
        sent = response.request.headers["Authorization"]
        expect(sent == f"Bearer {token['access_token']}", "the new access token is sent")
    session.get(f"{url}/health/live")
    expect(len(saved) == 2, "no refresh while the access token lives")


def introspects_and_revokes(url, certificate, method):
    session = login(url, certificate, method)

    def introspect(name):
        response = session.introspect_token(
            f"{url}/oauth2/introspect", token=session.token[name], token_type_hint=name
        )
        expect(response.status_code == 200, f"status 200, not {response.status_code}")
        return response.json()

    for name in ("access_token", "refresh_token"):
        seen = introspect(name)
        expect(seen["active"] is True, f"the {name} is active")
        expect(seen["client_id"] == "demo", f"the client, not {seen}")
        expect(seen["scope"] == "read write", f"the scope, not {seen}")
    revoked = session.revoke_token(
        f"{url}/oauth2/revoke",
        token=session.token["refresh_token"],
        token_type_hint="refresh_token",
    )
    expect(revoked.status_code == 200, f"status 200, not {revoked.status_code}")
    for name in ("access_token", "refresh_token"):
        expect(introspect(name) == {"active": False}, f"the {name} has ended")
    try:
        session.refresh_token()
        sys.exit("expected: a revoked refresh token is refused")
    except OAuthError as refusal:
        expect(refusal.error == "invalid_grant", f"invalid_grant, not {refusal.error}")


def expect(holds, what):
    if not holds:
        sys.exit(f"expected: {what}")


main(*sys.argv[1:])
