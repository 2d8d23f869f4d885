//! The events of the log, each declared once: its name, its level, its fields and what it means.
//!
//! `docs/events.md` is written from here. [`tell!`](crate::tell) writes one event; a test holds its calls
//! against the declared fields. Names are final: operators search for them.

use std::fmt;

use crate::audit;

/// The importance of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks for a fault of a client, or of ours.
    Debug,
    /// For whoever asks later what happened.
    Info,
    /// For an operator to look at, in time.
    Warn,
    /// For an operator to look at, now.
    Error,
}

impl Level {
    /// The level as `log.level` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind of line that the log has.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The value of the line's field `event`.
    pub name: &'static str,
    /// The line's level.
    pub level: Level,
    /// The names of the line's further fields, but for those of [`audit::FIELDS`].
    pub fields: &'static [&'static str],
    /// Whether the line tells of a change, for the audit trail.
    pub is_audit: bool,
    /// The meaning of the line, in sentences for operators.
    pub doc: &'static str,
}

impl Event {
    /// The names of all its fields.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static str> {
        let common = if self.is_audit { &audit::FIELDS[..] } else { &[] };
        common.iter().chain(self.fields).copied()
    }
}

/// Writes one line of an event that is declared in [`event`](mod@crate::event), with fields as `tracing` takes
/// them. The crate that calls it needs `tracing`.
#[macro_export]
macro_rules! tell {
    ($event:ident $(, $($fields:tt)*)?) => {{
        const LEVEL: ::tracing::Level = match $crate::event::$event.level {
            $crate::event::Level::Debug => ::tracing::Level::DEBUG,
            $crate::event::Level::Info => ::tracing::Level::INFO,
            $crate::event::Level::Warn => ::tracing::Level::WARN,
            $crate::event::Level::Error => ::tracing::Level::ERROR,
        };
        const TARGET: &str = if $crate::event::$event.is_audit {
            $crate::audit::TARGET
        } else {
            module_path!()
        };
        ::tracing::event!(target: TARGET, LEVEL, event = $crate::event::$event.name, $($($fields)*)?)
    }};
}

macro_rules! is_audit {
    () => {
        false
    };
    (audit) => {
        true
    };
}

macro_rules! events {
    ($($(#[doc = $doc:literal])* $name:ident = $label:literal, $level:ident, [$($field:ident),*] $(as $class:ident)?;)*) => {
        $(
            $(#[doc = $doc])*
            pub const $name: Event = Event {
                name: $label,
                level: Level::$level,
                fields: &[$(stringify!($field)),*],
                is_audit: is_audit!($($class)?),
                doc: concat!($($doc, "\n"),*),
            };
        )*

        /// Every event, with the name of its constant, in the order of their names.
        pub const ALL: &[(&str, &Event)] = &[$((stringify!($name), &$name)),*];
    };
}

events! {
    /// A user ended all that a client has of them, on the account page: its sessions, and their consent.
    ACCESS_ENDED = "access.ended", Info, [sub, client_id, request_id] as audit;
    /// A user authorized a client at the authorization endpoint.
    AUTHORIZATION_GRANTED = "authorization.granted", Info,
        [client_id, sub, response_type, request_id] as audit;
    /// A user ended the session of another browser, on the account page, and what belongs to it.
    BROWSER_SESSION_ENDED = "browser_session.ended", Info, [sub, browser_session, request_id] as audit;
    /// The files of certificate and key changed, and the new pair is used from now on.
    CERTIFICATE_CHANGED = "certificate.changed", Info, [] as audit;
    /// A client was registered by a command.
    CLIENT_CREATED = "client.created", Info, [client_id] as audit;
    /// A client was deleted by a command, with all its sessions.
    CLIENT_DELETED = "client.deleted", Info, [client_id] as audit;
    /// A client got a new secret by a command.
    CLIENT_SECRET_ROTATED = "client.secret_rotated", Info, [client_id] as audit;
    /// A client secret was not looked at because of wrong guesses before; `client_id` where there is such a
    /// client.
    CLIENT_THROTTLED = "client.throttled", Info, [client_id, source, request_id];
    /// The registration of a client was changed by a command, which may also have disabled or enabled it.
    CLIENT_UPDATED = "client.updated", Info, [client_id] as audit;
    /// An authorization code was refused after it had been opened; `cause` says why.
    CODE_DENIED = "code.denied", Info, [cause, client_id, sub, session, source, request_id];
    /// A lost response was answered again: the code was redeemed a moment ago, by the same client.
    CODE_RETRIED = "code.retried", Info, [client_id, sub, session, source, request_id];
    /// An authorization code was presented that had been redeemed; what it gave is over.
    CODE_REUSED = "code.reuse_detected", Warn, [cause, client_id, sub, session, source, request_id];
    /// A user allowed a client what it asked for, on the consent page.
    CONSENT_GRANTED = "consent.granted", Info, [sub, client_id, scope, request_id] as audit;
    /// The consent of a user to a client was taken back by a command, and the client's sessions of that user
    /// ended.
    CONSENT_REVOKED = "consent.revoked", Info, [sub, client_id] as audit;
    /// Every request, with its exact cause where it was refused, and the time it took in microseconds.
    HTTP_REQUEST = "http.request", Debug, [endpoint, status, outcome, cause, micros, request_id];
    /// An installation was made by a command.
    INSTALLATION_CREATED = "installation.created", Info, [] as audit;
    /// This node works with other root keys from now on, or its key file is well again.
    KEYS_CHANGED = "keys.changed", Info, [active, known, lacks, differs] as audit;
    /// A sign-in failed: `cause` is `password_wrong`, `user_unknown` or `user_disabled`, or `ended_meanwhile`,
    /// when user or client were disabled or signed out, or the password changed, while it was checked, or by a
    /// clock that was ahead.
    LOGIN_FAILED = "login.failed", Info, [cause, client_id, sub, source, request_id];
    /// A user signed in at the sign-in page.
    LOGIN_SUCCEEDED = "login.succeeded", Info, [sub, request_id] as audit;
    /// A password was not looked at because of wrong guesses before.
    LOGIN_THROTTLED = "login.throttled", Info, [client_id, source, request_id];
    /// Lines of the log were lost: whoever reads it did not take those before them.
    LOG_DROPPED = "log.dropped", Warn, [count];
    /// A client will not be told that a session is over: `outcome` is `refused` (its response), `forbidden` (no
    /// address that may be connected to), `lost` (given up) or `moot` (it does not want to be told any more),
    /// with the `cause`.
    LOGOUT_NOT_TOLD = "logout.not_told", Warn, [outcome, client_id, sub, attempt, cause];
    /// A client could not be told; `cause` says why, and it is tried again.
    LOGOUT_PUT_OFF = "logout.put_off", Info, [client_id, attempt, cause];
    /// A client was told that a browser's session is over; `attempt` says at which try.
    LOGOUT_TOLD = "logout.told", Info, [client_id, sub, attempt];
    /// A user changed the password on the account page; what began with the old one is over.
    PASSWORD_CHANGED = "password.changed", Info, [sub, request_id] as audit;
    /// A refresh was refused, and nothing changed; `cause` says why.
    REFRESH_DENIED = "refresh.denied", Info,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A token from before a failover, whose commit was lost: the row caught up.
    REFRESH_FAST_FORWARD = "refresh.fast_forward", Warn,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A generation or a secret that was never issued: the key file may be in other hands, or an older database
    /// was restored.
    REFRESH_FORGERY = "refresh.forgery_suspected", Error,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// The same refresh token came back: its renewal is off.
    REFRESH_KEPT = "refresh.kept", Debug,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A predecessor within its grace period got its successor again.
    REFRESH_RETRIED = "refresh.retried", Info,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A used-up refresh token was presented, and the session is over.
    REFRESH_REUSED = "refresh.reuse_detected", Warn,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A refresh token was renewed.
    REFRESH_ROTATED = "refresh.rotated", Debug,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A token from a later epoch than the store's: this node still talks to a primary that was replaced, or an
    /// older database was restored without `remint store epoch bump`.
    REFRESH_STORE_BEHIND = "refresh.store_behind", Error,
        [cause, client_id, session, generation, family_generation, source, request_id];
    /// A 500 or 503 that is the server's fault, with its reason in `fault`, and the rest as in `request.refused`.
    REQUEST_FAILED = "request.failed", Error, [fault, endpoint, status, error, cause, parameter, client_id, grant_type,
        response_type, scope, redirect_uri, resource, source, request_id];
    /// A request was refused, by its status or in what a client is told: one line for each. `cause` says exactly
    /// why, `parameter` which one came twice; `client_id` and the others are what the request said, cut and cleaned,
    /// of a URL its origin and path. Whether it came from that client, the cause tells.
    REQUEST_REFUSED = "request.refused", Info, [endpoint, status, error, cause, parameter, client_id, grant_type,
        response_type, scope, redirect_uri, resource, source, request_id];
    /// A root key seals from now on, by a command.
    ROOT_KEY_ACTIVATED = "root_key.activated", Info, [] as audit;
    /// A root key was made by a command; it does not seal yet.
    ROOT_KEY_ADDED = "root_key.added", Info, [] as audit;
    /// A root key was given up by a command, and with `--force` what it sealed.
    ROOT_KEY_RETIRED = "root_key.retired", Info, [] as audit;
    /// The schema of a database was brought up to date, by a command, or at a start by this step.
    SCHEMA_MIGRATED = "schema.migrated", Info, [version, name] as audit;
    /// A fault of ours ended one request, or one piece of work in the background; `place` is in the sources.
    SERVER_PANICKED = "server.panicked", Error, [place, message];
    /// The server ended a session because a token or a code was presented that only a thief has, or whoever was
    /// stolen from; `cause` says which.
    SESSION_ENDED = "session.ended", Info, [cause, client_id, session, request_id] as audit;
    /// A session began: by the password grant or by the redemption of an authorization code.
    SESSION_STARTED = "session.started", Info, [client_id, sub, session, request_id] as audit;
    /// A user signed out, and the session of the browser is over.
    SESSION_SIGNED_OUT = "session.signed_out", Info, [sub, request_id] as audit;
    /// Sessions were ended by a command: those of a user, a client or a browser, one, or all.
    SESSIONS_REVOKED = "sessions.revoked", Info, [sub, client_id] as audit;
    /// A row of the table `signing_keys` is not what was written: it is left out.
    SIGNING_KEY_BROKEN = "signing_key.broken", Error, [kid, alg];
    /// A new signing key is published, and signs in so many seconds.
    SIGNING_KEY_MADE = "signing_key.made", Info, [alg, kid, generation, signs_in_seconds] as audit;
    /// The first signing key of an algorithm was made, which belongs to an installation like its tables.
    SIGNING_KEY_FIRST = "signing_key.first_made", Debug, [alg, kid] as audit;
    /// A signing key is sealed under the active root key now.
    SIGNING_KEY_MOVED = "signing_key.moved", Info, [kid, root_kid] as audit;
    /// A signing key is not published any more.
    SIGNING_KEY_REMOVED = "signing_key.removed", Info, [alg, kid] as audit;
    /// New signing keys were made by a command.
    SIGNING_KEYS_ROTATED = "signing_keys.rotated", Info, [] as audit;
    /// The signing keys before the new one were withdrawn by a command: what they signed is refused.
    SIGNING_KEYS_WITHDRAWN = "signing_keys.withdrawn", Info, [] as audit;
    /// The database was copied to a file by a command.
    STORE_BACKED_UP = "store.backed_up", Info, [] as audit;
    /// The database was copied to another one by a command.
    STORE_COPIED = "store.copied", Info, [] as audit;
    /// The epoch was raised by a command: sessions that are ahead of their rows will heal.
    STORE_EPOCH_BUMPED = "store.epoch_bumped", Info, [] as audit;
    /// The database was promoted or restored: sessions that are ahead of their rows will heal.
    STORE_EPOCH_RAISED = "store.epoch_raised", Warn, [timeline] as audit;
    /// The files of the database were moved, removed or replaced under the server, which answers nothing any more.
    STORE_LOST = "store.lost", Error, [cause];
    /// The salt of pairwise subject identifiers was made.
    SUBJECT_SALT_MADE = "subject_salt.made", Debug, [] as audit;
    /// The salt of pairwise subject identifiers is sealed under the active root key now.
    SUBJECT_SALT_MOVED = "subject_salt.moved", Info, [root_kid] as audit;
    /// A client revoked a token; without `session` it was an access token.
    TOKEN_REVOKED = "token.revoked", Info, [client_id, session, request_id] as audit;
    /// A user was created by a command.
    USER_CREATED = "user.created", Info, [sub] as audit;
    /// A user was deleted by a command, with all their sessions.
    USER_DELETED = "user.deleted", Info, [sub] as audit;
    /// A user was disabled by a command.
    USER_DISABLED = "user.disabled", Info, [sub] as audit;
    /// A user was enabled again by a command.
    USER_ENABLED = "user.enabled", Info, [sub] as audit;
    /// A user got another password by a command; all their sessions ended.
    USER_PASSWORD_SET = "user.password_set", Info, [sub] as audit;
    /// The profile of a user was changed by a command.
    USER_UPDATED = "user.updated", Info, [sub] as audit;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_events_are_unique_and_say_what_happened_to_what() {
        let names: BTreeSet<_> = ALL.iter().map(|(_, event)| event.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            let (object, happened) = name.split_once('.').expect(name);
            let is_word =
                |w: &str| !w.is_empty() && w.chars().all(|c| c == '_' || c.is_ascii_lowercase());
            assert!(is_word(object) && is_word(happened), "{name}");
        }
    }

    #[test]
    fn every_event_says_what_it_means_in_a_sentence() {
        for (constant, event) in ALL {
            assert!(event.doc.trim().ends_with('.'), "{constant}");
            let fields: BTreeSet<_> = event.all_fields().collect();
            assert_eq!(fields.len(), event.all_fields().count(), "{constant}");
        }
    }
}
