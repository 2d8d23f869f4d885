//! Whatever can be seen in the settings not to fit together, or not to fit the issuer: each as a sentence to
//! act on. None of it is an error, because what is in front of this server cannot be seen from here.

use std::time::Duration;

use remint_protocol::policy::MaxLifetime;

use super::{Config, ListenAddress, OpsListen, Plain, Setting as _};

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// The least that OWASP recommends for argon2id: memory in MiB and passes.
const OWASP: [(u32, u32); 5] = [(46, 1), (19, 2), (12, 3), (9, 4), (8, 5)];

/// Most load balancers keep an idle connection for a minute.
const BALANCERS: Duration = Duration::from_mins(1);

/// All of them.
pub(super) fn all(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(issuer(config));
    found.extend(listener(config));
    found.extend(proxies(config));
    found.extend(passwords(config));
    found.extend(lifetimes(config));
    found
}

fn issuer(config: &Config) -> Vec<String> {
    let issuer = &config.server.issuer;
    let (shown, host) = (issuer.as_str(), issuer.host());
    let mut found = Vec::new();
    if host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_unspecified()) {
        found.push(format!(
            "issuer is {shown}, which is no address that anybody can connect to: write the name of this server"
        ));
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        found.push(format!(
            "issuer is {shown}, with capital letters in its host, which browsers and many clients write small: \
             write them small, because issuers are compared byte by byte (RFC 8414 section 3.3)"
        ));
    }
    if issuer.has_default_port() {
        found.push(format!(
            "issuer is {shown}, with the port that its scheme has anyway, which many clients leave out: leave it \
             out, because issuers are compared byte by byte (RFC 8414 section 3.3)"
        ));
    }
    found
}

/// Whether clients connect to this very listener, as far as can be seen.
fn is_direct(config: &Config) -> bool {
    !config.http.plain.is_on() && config.http.trusted_proxies.is_empty()
}

fn listener(config: &Config) -> Vec<String> {
    let (issuer, http) = (&config.server.issuer, &config.http);
    let (shown, listen) = (issuer.as_str(), &http.listen);
    let mut found = Vec::new();
    if listen.port() == 0 {
        found.push(format!(
            "http.listen is {listen}: the system chooses another port at each start, and no client knows it: write \
             a port"
        ));
    } else if is_direct(config) && listen.port() != issuer.port() {
        found.push(format!(
            "issuer is {shown}, so clients connect to port {}, but http.listen is {listen}: write that port in one \
             of the two, or, where something in front leads there, its addresses as http.trusted_proxies",
            issuer.port()
        ));
    }
    if is_direct(config) && !issuer.is_loopback() {
        if listen.is_loopback() {
            found.push(format!(
                "issuer is {shown}, but http.listen is {listen}, which only this machine reaches: write \
                 http.listen = \"0.0.0.0:{}\", or, where a proxy on this machine is in front, its address as \
                 http.trusted_proxies",
                issuer.port()
            ));
        }
        if http.certificate.is_none() {
            found.push(format!(
                "issuer is {shown}, but there is no http.certificate, and nobody trusts the self-signed one that \
                 stands in for it: write http.certificate and http.private_key, or http.plain = true behind a \
                 proxy on this machine"
            ));
        }
    }
    if issuer.is_loopback() && !listen.is_loopback() {
        found.push(format!(
            "issuer is {shown}, which means another machine to everybody else, but http.listen is {listen}: write \
             the URL under which clients reach this server as issuer, or listen on localhost"
        ));
    }
    if let OpsListen::On(ops) = &config.ops.listen
        && ops.is_open_to_the_world()
    {
        found.push(open_ops(ops));
    }
    found
}

fn open_ops(ops: &ListenAddress) -> String {
    format!(
        "ops.listen is {ops}, which is open to whoever reaches this machine, in clear and without a password: \
         write ops.listen = \"127.0.0.1:{}\" or a private address, or keep strangers away by a firewall",
        ops.port()
    )
}

fn proxies(config: &Config) -> Vec<String> {
    let http = &config.http;
    let mut found = Vec::new();
    if let Some(wide) = http.trusted_proxies.too_wide() {
        found.push(format!(
            "http.trusted_proxies has {wide}: whoever connects from there writes the address that guesses are \
             counted for into X-Forwarded-For: write the networks of your own proxies"
        ));
    }
    if http.plain == Plain::Loopback && http.trusted_proxies.is_empty() {
        found.push(
            "http.plain is on and http.trusted_proxies is empty: behind a proxy all clients come from one \
             address, and one that guesses passwords slows down everyone: write the proxy's address there"
                .into(),
        );
    }
    if !http.trusted_proxies.is_empty() && http.idle_timeout <= BALANCERS {
        found.push(format!(
            "http.idle_timeout is {}, and most load balancers keep idle connections for 60 seconds: write more \
             than yours does, or now and then a request meets a connection that ends",
            http.idle_timeout.show()
        ));
    }
    found
}

fn passwords(config: &Config) -> Vec<String> {
    let (memory, passes) = (config.passwords.memory.0 / 1024, config.passwords.iterations);
    if OWASP.iter().any(|(least, times)| memory >= *least && passes >= *times) {
        return Vec::new();
    }
    vec![format!(
        "passwords.memory is {} and passwords.iterations is {passes}, less than OWASP's least for argon2id: write \
         \"19MiB\" and 2, or as strong",
        config.passwords.memory.show()
    )]
}

fn lifetimes(config: &Config) -> Vec<String> {
    let (tokens, sessions) = (&config.tokens, &config.sessions);
    let mut found = Vec::new();
    let mut longer = |key: &str, value: Duration, most: Duration, why: &str| {
        if value > most {
            let (value, most) = (value.show(), most.show());
            found.push(format!("{key} is {value}: {why}: write at most {most}"));
        }
    };
    let access = "resource servers that check tokens themselves take a stolen one for as long";
    longer("tokens.access_token_lifetime", tokens.access_token_lifetime, DAY, access);
    longer(
        "tokens.id_token_lifetime",
        tokens.id_token_lifetime,
        DAY,
        "it says that somebody has just signed in",
    );
    let forgotten = "what is lost or forgotten stays usable for as long";
    longer("tokens.refresh_token_lifetime", tokens.refresh_token_lifetime, 5 * YEAR, forgotten);
    if let MaxLifetime::Of(most) = tokens.refresh_token_max_lifetime {
        longer("tokens.refresh_token_max_lifetime", most, 10 * YEAR, forgotten);
    }
    longer("sessions.idle_lifetime", sessions.idle_lifetime, YEAR, forgotten);
    longer("sessions.absolute_lifetime", sessions.absolute_lifetime, YEAR, forgotten);
    let rotated = "a key that signs for as long is as good as one that never changes";
    let every = config.signing.rotate_every.unwrap_or_default();
    longer("signing.rotate_every", every, 2 * YEAR, rotated);
    if sessions.idle_lifetime > sessions.absolute_lifetime {
        found.push(format!(
            "sessions.idle_lifetime is {}, longer than sessions.absolute_lifetime ({}), which ends the session \
             first: write less",
            sessions.idle_lifetime.show(),
            sessions.absolute_lifetime.show()
        ));
    }
    found
}
