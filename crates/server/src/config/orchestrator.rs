//! Variables that orchestrators set for services beside this one: Kubernetes for a Service `remint` or
//! `remint-store` in the same namespace, Docker for a linked container. They are nobody's settings, and
//! are told by their shape alone.

/// Whether a variable is one that an orchestrator makes for a service.
pub(super) fn is_of_service(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("REMINT_") else { return false };
    // Of a service called `remint` itself there is no more.
    let tail =
        |tail: &str| rest == tail || rest.strip_suffix(tail).is_some_and(|r| r.ends_with('_'));
    tail("SERVICE_HOST")
        || tail("SERVICE_PORT")
        || after(rest, "SERVICE_PORT_").is_some_and(is_port_name)
        || (tail("PORT") && is_endpoint(value))
        || after(rest, "PORT_").is_some_and(is_port_part)
        // Docker's links: the name `/this/other`, and the other's environment.
        || (tail("NAME") && value.starts_with('/') && value.matches('/').count() == 2)
}

/// Returns the text after the last `word` that begins a part of the name.
fn after<'n>(rest: &'n str, word: &str) -> Option<&'n str> {
    let at = rest.rfind(word)?;
    let begins = at == 0 || rest.get(..at)?.ends_with('_');
    rest.get(at + word.len()..).filter(|_| begins)
}

/// A port's name, as in `REMINT_STORE_SERVICE_PORT_HTTPS`.
fn is_port_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// `tcp://10.0.0.1:5432`
fn is_endpoint(value: &str) -> bool {
    let rest = ["tcp://", "udp://", "sctp://"].iter().find_map(|scheme| value.strip_prefix(scheme));
    rest.and_then(|rest| rest.rsplit_once(':'))
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// `5432_TCP`, `5432_TCP_PROTO`, `5432_TCP_PORT`, `5432_TCP_ADDR`; Docker also has `5432_TCP_START`.
fn is_port_part(part: &str) -> bool {
    let Some((port, rest)) = part.split_once('_') else { return false };
    let (protocol, of) = rest.split_once('_').unwrap_or((rest, ""));
    port.parse::<u16>().is_ok()
        && ["TCP", "UDP", "SCTP"].contains(&protocol)
        && ["", "PROTO", "PORT", "ADDR"].contains(&of)
}
