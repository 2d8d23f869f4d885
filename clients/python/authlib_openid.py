"""Authlib in a Flask application: signing in with a code and PKCE, userinfo, refreshes and signing
out, as a public and as a confidential client.

Usage: authlib_openid.py ISSUER CERTIFICATE
"""

import importlib.metadata
import os
import sys
from urllib.parse import parse_qs, urlsplit

import flask
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from browser import Browser

# Nothing listens there: what the browser would get, it gets from the application in this process.
HOME = "http://127.0.0.1:8402/"
CALLBACK = f"{HOME}callback"
SCOPE = "openid profile email read"
VERSION = importlib.metadata.version("authlib")


def main(issuer, certificate):
    # The library's sessions of its own take it from there.
    os.environ["REQUESTS_CA_BUNDLE"] = certificate
    for client_id, secret, method in (
        ("playground", None, "none"),
        ("demo", "demo-secret", "client_secret_basic"),
        ("demo", "demo-secret", "client_secret_post"),
    ):
        signs_in_and_out(issuer, certificate, (client_id, secret, method))


def application(issuer, client_id, secret, method):
    """What a developer writes."""
    app = flask.Flask(__name__)
    app.secret_key = os.urandom(32)
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    saved = []
    remint = OAuth(app, update_token=lambda name, token, **_: saved.append(token)).register(
        "remint",
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": method,
            "default_timeout": 30,
        },
    )

    @app.get("/login")
    def login():
        return remint.authorize_redirect(CALLBACK, **flask.request.args)

    @app.get("/callback")
    def callback():
        try:
            # Validates the ID token: signature, issuer, audience, times, nonce and at_hash.
            return remint.authorize_access_token()
        except OAuthError as refusal:
            return {"error": refusal.error}

    @app.post("/logout")
    def logout():
        return remint.logout_redirect(HOME, flask.request.form["id_token"])

    @app.get("/")
    def home():
        return remint.validate_logout_response()

    return app, remint, saved


def signs_in_and_out(issuer, certificate, client):
    def step(what):
        print(f"authlib {VERSION}, {client[0]}: {what}", flush=True)

    app, remint, saved = application(issuer, *client)
    here = app.test_client()
    browser = Browser(certificate)

    metadata = remint.load_server_metadata()
    expect(metadata["issuer"] == issuer, f"the issuer, not {metadata}")
    step("discovery")

    def authorizes(consent="consent-allow", **parameters):
        sent = here.get(f"{HOME}login", query_string=parameters)
        target, pressed = browser.visit(sent.headers["Location"], CALLBACK, consent)
        # RFC 9207 section 2.4, which the library leaves to others
        expect(parse_qs(urlsplit(target).query)["iss"] == [issuer], f"the issuer in {target}")
        return here.get(target).json, pressed

    answer, pressed = authorizes("consent-deny", prompt="consent")
    expect(pressed == ["login-submit", "consent-deny"], f"sign-in and consent, not {pressed}")
    expect(answer == {"error": "access_denied"}, f"access_denied, not {answer}")
    step("access_denied where the person does not allow it")

    token, pressed = authorizes(prompt="consent")
    expect(pressed == ["consent-allow"], f"consent, not {pressed}")
    expect("error" not in token, f"tokens, not {token}")
    expect(set(token["scope"].split()) == set(SCOPE.split()), f"the scope, not {token}")
    claims = token["userinfo"]
    expect(claims["iss"] == issuer and client[0] in claims["aud"], f"issuer, audience: {claims}")
    expect("auth_time" in claims, f"auth_time in {claims}")
    step("code with PKCE through the pages, ID token validated by the jwks")

    with app.app_context():
        rejects_forgeries(remint, token)
        step("the same ID token damaged, with another nonce, with another access token: refused")

        person = remint.userinfo(token=token)
        expect(person["sub"] == claims["sub"], f"the subject, not {person}")
        expect(person["name"] == "Alice Liddell", f"the profile, not {person}")
        expect(person["email"] == "alice@example.com", f"the address, not {person}")
        step("userinfo with profile and email")

        token = refreshes(remint, token, saved)
        step("refreshes by itself where the access token is over; used refresh tokens are refused")

    # The used token ended its family; the browser's session goes on.
    token, pressed = authorizes()
    expect("login-submit" not in pressed, "no second sign-in in a session")
    sent = here.post(f"{HOME}logout", data={"id_token": token["id_token"]})
    target, pressed = browser.visit(sent.headers["Location"], HOME)
    expect(pressed == [], f"no question where the ID token is the session's, not {pressed}")
    answer = here.get(target)
    expect(answer.json == {"post_logout_redirect_uri": HOME}, f"the state: {answer.text}")
    answer, _ = authorizes(prompt="none")
    expect(answer == {"error": "login_required"}, f"login_required, not {answer}")
    with app.app_context():
        expect_dead(remint, token)
    step("RP-initiated logout, which ends session and tokens")


def rejects_forgeries(remint, token):
    head, body, signature = token["id_token"].split(".")
    other = ("B" if signature[0] == "A" else "A") + signature[1:]
    nonce = token["userinfo"]["nonce"]
    remint.parse_id_token(token, nonce)
    for changed, expected in (
        ({**token, "id_token": f"{head}.{body}.{other}"}, nonce),
        (token, f"{nonce}-"),
        ({**token, "access_token": "rmat_other"}, nonce),
    ):
        try:
            remint.parse_id_token(changed, expected)
        except Exception as refusal:
            origin = type(refusal).__module__.split(".")[0]
            expect(origin in ("authlib", "joserfc"), f"the library refuses, not {refusal!r}")
        else:
            sys.exit("expected: a forged ID token is refused")


def refreshes(remint, first, saved):
    last = first
    for _ in range(3):
        person = remint.userinfo(token={**last, "expires_at": 1})
        expect(person["sub"] == first["userinfo"]["sub"], f"the same subject, not {person}")
        token = dict(saved.pop())
        expect(saved == [], "one refresh for one request")
        expect(token["refresh_token"] != last["refresh_token"], "another refresh token")
        expect(token["access_token"] != last["access_token"], "another access token")
        # OpenID Connect Core 12.2: the nonce, where there is one, is the first one's.
        claims = remint.parse_id_token(token, None)
        for name in ("iss", "sub", "aud", "auth_time"):
            expect(claims[name] == first["userinfo"][name], f"the same {name}, not {claims}")
        last = token
    expect_dead(remint, first)
    return last


def expect_dead(remint, token):
    try:
        remint.userinfo(token={**token, "expires_at": 1})
        sys.exit("expected: the refresh token is refused")
    except OAuthError as refusal:
        expect(refusal.error == "invalid_grant", f"invalid_grant, not {refusal.error}")


def expect(holds, what):
    if not holds:
        sys.exit(f"expected: {what}")


main(*sys.argv[1:])
