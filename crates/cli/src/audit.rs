//! The audit trail of commands: one line on standard error for each change, made or failed, in the format of the
//! log.
//!
//! Every command stands in [`COMMANDS`]; one that changes something does it within `change`.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use nix::unistd::{Uid, User, getuid};
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::event::{self, Event};
use remint_server::config::{Config, LogFormat};
use tracing_subscriber::layer::SubscriberExt as _;

/// Every command, with the events of what it changes. One without only looks, or runs a server, whose own log
/// has its events, or writes a file that nothing uses yet.
pub const COMMANDS: &[(&str, &[&Event])] = &[
    ("init", &[&event::INSTALLATION_CREATED]),
    ("serve", &[]),
    ("client create", &[&event::CLIENT_CREATED]),
    ("client list", &[]),
    ("client show", &[]),
    ("client update", &[&event::CLIENT_UPDATED]),
    ("client rotate-secret", &[&event::CLIENT_SECRET_ROTATED]),
    ("client delete", &[&event::CLIENT_DELETED]),
    ("user create", &[&event::USER_CREATED]),
    ("user list", &[]),
    ("user show", &[]),
    ("user update", &[&event::USER_UPDATED]),
    ("user set-password", &[&event::USER_PASSWORD_SET]),
    ("user disable", &[&event::USER_DISABLED]),
    ("user enable", &[&event::USER_ENABLED]),
    ("user delete", &[&event::USER_DELETED]),
    ("session list", &[]),
    ("session browsers", &[]),
    ("session revoke", &[&event::SESSIONS_REVOKED]),
    ("consent list", &[]),
    ("consent revoke", &[&event::CONSENT_REVOKED]),
    ("logout list", &[]),
    ("key list", &[]),
    ("key add", &[&event::ROOT_KEY_ADDED]),
    ("key activate", &[&event::ROOT_KEY_ACTIVATED]),
    ("key retire", &[&event::ROOT_KEY_RETIRED]),
    ("key rotate", &[&event::SIGNING_KEYS_ROTATED, &event::SIGNING_KEYS_WITHDRAWN]),
    ("token explain", &[]),
    ("store backup", &[&event::STORE_BACKED_UP]),
    ("store copy", &[&event::STORE_COPIED]),
    ("store epoch show", &[]),
    ("store epoch bump", &[&event::STORE_EPOCH_BUMPED]),
    ("store status", &[]),
    ("migrate", &[&event::SCHEMA_MIGRATED]),
    ("config check", &[]),
    ("config show", &[]),
    ("import wso2-config", &[]),
    ("completions", &[]),
];

/// Makes a change, and tells who made it, on what, and whether it was made. What cannot be changed because it is
/// not there, or should not be, is refused before this, and nothing is told.
pub(crate) fn change<T>(
    config: &Config,
    (event, object): (&Event, Object<'_>),
    make: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let made = make();
    // A terminal keeps no trail, and whoever sits there reads what the command prints.
    if io::stderr().is_terminal() {
        return made;
    }
    let outcome = if made.is_ok() { audit::DONE } else { audit::FAILED };
    told(config, || {
        tracing::info!(
            target: audit::TARGET,
            event = event.name,
            actor = %Actor::Operator(&account()),
            on = %object,
            outcome,
            source = audit::LOCAL,
            sub = object.user().map(tracing::field::display),
            client_id = object.client().map(tracing::field::display),
        );
    });
    made
}

/// The account of the system that somebody signed in with, whatever account the command runs as: `sudo` and `su`
/// leave that number alone, which the kernel keeps. Where nobody signed in, as in a container or a job of the
/// system, the account that the command runs as.
fn account() -> String {
    /// The number of nobody.
    const UNSET: u32 = u32::MAX;
    let kept = std::fs::read_to_string(Path::new("/proc/self/loginuid")).ok();
    let kept = kept.and_then(|text| text.trim().parse().ok()).filter(|number| *number != UNSET);
    let uid = kept.map_or_else(getuid, Uid::from_raw);
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Writes lines at once, as the server of this configuration would, whatever level it has.
fn told(config: &Config, tell: impl FnOnce()) {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        // Where a line cannot be written, the complaint about it cannot either, and would panic.
        .log_internal_errors(false)
        .with_ansi(false);
    let registry = tracing_subscriber::registry();
    match config.log.format {
        LogFormat::Json => {
            let registry = registry.with(layer.json().flatten_event(true));
            tracing::subscriber::with_default(registry, tell);
        }
        LogFormat::Text => tracing::subscriber::with_default(registry.with(layer), tell),
    }
}
