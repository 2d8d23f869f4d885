//! The columns of each table that are copied, and the way in which a row is merged into one that is there
//! already.
//!
//! Both sides may have moved on since the last copy, so a column says when the source's value counts.
//! Nothing that is further on at the target is set back: not a generation, not a revocation, not a
//! newer registration.

use crate::batch::Statement;
use crate::row::Value;

/// The type of a primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Bytes,
    Number,
    Text,
}

impl Key {
    /// Smaller than every key.
    pub(super) fn start(self) -> Value {
        match self {
            Self::Bytes => Value::Blob(Vec::new()),
            Self::Number => Value::Int(i64::MIN),
            Self::Text => Value::Text(String::new()),
        }
    }
}

/// A table that is copied.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: Key,
    /// All columns, the key first.
    pub(super) columns: &'static [&'static str],
    /// A piece of the rows after a key, in the order of the keys.
    pub(super) read: Statement,
    /// The same, of keys alone.
    pub(super) keys: Statement,
    /// Puts a row in, or merges it with the one that is there.
    pub(super) merge: Statement,
}

impl Table {
    /// Whether nodes keep what they read of it until the revision changes.
    pub(super) fn is_cached(&self) -> bool {
        matches!(self.name, "clients" | "keys" | "secrets" | "signing_keys")
    }

    /// Returns the position of the time at which a row was registered, in a table whose rows can be deleted.
    pub(super) fn registered_at(&self) -> Option<usize> {
        let column = |name: &&str| *name == "created_at";
        let is_register = REGISTERS.iter().any(|register| register.name == self.name);
        self.columns.iter().position(column).filter(|_| is_register)
    }
}

macro_rules! list {
    ($first:ident $($rest:ident)*) => {
        concat!(stringify!($first) $(, ", ", stringify!($rest))*)
    };
}

macro_rules! set {
    ($table:ident $column:ident $taken:literal) => {
        concat!(
            stringify!($column),
            " = CASE WHEN ",
            $taken,
            " THEN excluded.",
            stringify!($column),
            " ELSE ",
            stringify!($table),
            ".",
            stringify!($column),
            " END"
        )
    };
}

macro_rules! piece {
    ($table:ident $key:ident $columns:expr) => {
        Statement::new(concat!(
            "SELECT ",
            $columns,
            " FROM ",
            stringify!($table),
            " WHERE ",
            stringify!($key),
            " > ?1 ORDER BY ",
            stringify!($key),
            " LIMIT ?2"
        ))
    };
}

/// The table and its key; the columns that never change; and those that do, each group with the
/// condition under which the source's values are taken.
macro_rules! table {
    (
        $table:ident $key:ident $kind:ident ($($same:ident)*) ($values:literal)
        $(unless $unless:literal)?
        if $taken:literal { $first:ident $($merged:ident)* }
        $(if $also_taken:literal { $($also_merged:ident)+ })*
    ) => {
        Table {
            name: stringify!($table),
            key: Key::$kind,
            columns: &[
                stringify!($key),
                $(stringify!($same),)*
                stringify!($first),
                $(stringify!($merged),)*
                $($(stringify!($also_merged),)+)*
            ],
            read: piece!($table $key list!($key $($same)* $first $($merged)* $($($also_merged)+)*)),
            keys: piece!($table $key stringify!($key)),
            merge: Statement::new(concat!(
                "INSERT INTO ",
                stringify!($table),
                " (",
                list!($key $($same)* $first $($merged)* $($($also_merged)+)*),
                ") SELECT ",
                $values,
                " WHERE true",
                $(" AND NOT ", $unless,)?
                " ON CONFLICT (",
                stringify!($key),
                ") DO UPDATE SET ",
                set!($table $first $taken)
                $(, ", ", set!($table $merged $taken))*
                $($(, ", ", set!($table $also_merged $also_taken))+)*
            )),
        }
    };
}

/// In this order: what a row speaks of is there before it.
pub(super) static TABLES: [Table; 10] = [
    table! {
        keys kid Number (fingerprint added_at) ("?1, ?2, ?3, ?4, ?5")
        if "keys.fingerprint = excluded.fingerprint \
            AND (keys.activated_at IS NULL OR excluded.activated_at > keys.activated_at)" { activated_at }
        if "keys.fingerprint = excluded.fingerprint AND keys.retired_at IS NULL" { retired_at }
    },
    // One whose generation another key has at the target is left out: servers made it there, before
    // they were to run, and tokens may be signed with it.
    table! {
        signing_keys kid Text (alg generation jwk created_at signs_from)
        ("?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10")
        unless "EXISTS (SELECT 1 FROM signing_keys s \
                WHERE s.alg = ?2 AND s.generation = ?3 AND s.kid <> ?1)"
        if "excluded.sealed_at > signing_keys.sealed_at" { root_kid sealed sealed_at }
        if "excluded.published_until IS NOT NULL" { published_until }
    },
    table! {
        clients id Text (created_at)
        ("?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
          ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, \
          ?38, ?39, ?40, ?41, ?42, ?43, ?44")
        if "excluded.updated_at >= clients.updated_at" {
            name auth_methods secret_kid secret_hash previous_secret_kid previous_secret_hash
            previous_secret_expires_at grants scope resources serves access_token_lifetime
            refresh_token_lifetime renew_refresh_token extend_on_renewal refresh_token_max_lifetime
            grace_period on_reuse revoke_access_token_on_refresh disabled_at updated_at
            redirect_uris response_types response_modes pkce plain_challenge
            repeat_redirect_uri first_party refresh_tokens default_max_age id_token_alg
            pairwise_sector jwt_access_tokens post_logout_redirect_uris
            backchannel_logout_uri frontchannel_logout_uri web_origins client_uri policy_uri
            tos_uri
        }
        if "excluded.not_before > clients.not_before" { not_before }
        if "excluded.ended > clients.ended" { ended }
    },
    // One whose name somebody else has at the target is left out: they were deleted and created
    // again while this copy ran, and the next one brings it.
    table! {
        users id Bytes (username created_at) ("?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9")
        unless "EXISTS (SELECT 1 FROM users u WHERE u.username = ?2 AND u.id <> ?1)"
        if "excluded.updated_at >= users.updated_at" { password_hash disabled_at updated_at profile }
        if "excluded.not_before > users.not_before" { not_before }
        if "excluded.ended > users.ended" { ended }
    },
    table! {
        families id Bytes
        (secret_hash client_id user_id scope resources auth_time acr amr created_at max_expires_at
         session_id offline claims born proven)
        ("?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
          ?21, ?22, ?23, ?24, ?25")
        if "excluded.generation > families.generation OR \
            (excluded.generation = families.generation AND excluded.confirmed > families.confirmed)"
        { generation epoch kid rotated_at expires_at confirmed }
        if "excluded.grace_floor > families.grace_floor" { grace_floor }
        if "families.revoked_at IS NULL" { revoked_at revoke_reason }
    },
    table! {
        browser_sessions id Bytes (user_id created_at)
        ("?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12")
        if "excluded.auth_time > browser_sessions.auth_time"
        { secret_hash auth_time expires_at amr user_agent source proven }
        if "excluded.seen_at > browser_sessions.seen_at" { seen_at }
        if "browser_sessions.ended_at IS NULL" { ended_at }
    },
    table! {
        // One that was taken back was given at 0; when, is in `not_before`.
        consents id Bytes (user_id client_id) ("?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8")
        if "(excluded.given_at > consents.given_at AND excluded.given_at > consents.not_before) OR \
            (excluded.given_at = 0 AND excluded.not_before >= consents.given_at)"
        { scope resources given_at }
        if "excluded.not_before > consents.not_before" { not_before }
        if "excluded.ended > consents.ended" { ended }
    },
    table! {
        revoked_access_tokens jti Bytes () ("?1, ?2")
        if "excluded.expires_at > revoked_access_tokens.expires_at" { expires_at }
    },
    // A right password resets the failures and leaves their time as it is.
    table! {
        guesses bucket Bytes () ("?1, ?2, ?3, ?4")
        if "excluded.last_at > guesses.last_at OR \
            (excluded.last_at = guesses.last_at AND excluded.trusted_until >= guesses.trusted_until)"
        { failures last_at }
        if "excluded.trusted_until > guesses.trusted_until" { trusted_until }
    },
    // Of two the older one counts: people are known by it.
    table! {
        secrets name Text () ("?1, ?2, ?3, ?4, ?5")
        if "excluded.created_at < secrets.created_at OR \
            (excluded.created_at = secrets.created_at AND excluded.sealed_at > secrets.sealed_at)"
        { created_at root_kid sealed sealed_at }
    },
];

/// A table whose rows may be deleted, and their names given again to something else.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) name: &'static str,
    pub(super) key: Key,
    /// By name: the name, what tells it from another one of that name, when it was created.
    pub(super) read: Statement,
}

pub(super) static REGISTERS: [Register; 2] = [
    Register {
        name: "clients",
        key: Key::Text,
        read: piece!(clients id "id, created_at, created_at"),
    },
    Register {
        name: "users",
        key: Key::Text,
        read: piece!(users username "username, id, created_at"),
    },
];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use rusqlite::types::Null;

    use super::*;
    use crate::migrate::migrate_file;

    fn database() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        migrate_file(&mut db).unwrap();
        db
    }

    fn column(db: &Connection, sql: &str) -> Vec<String> {
        let mut rows = db.prepare(sql).unwrap();
        rows.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The counters in `meta` are raised, not copied; `nodes` speaks of what runs now, and the source tells
    /// its `logout_notices` itself.
    #[test]
    fn every_table_and_column_of_the_schema_is_copied_but_for_those_of_this_moment() {
        let db = database();
        let mut copied: Vec<_> = TABLES.iter().map(|table| table.name.to_owned()).collect();
        copied.extend(["logout_notices", "meta", "nodes"].map(str::to_owned));
        copied.sort();
        let there = column(&db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1");
        assert_eq!(copied, there);
        for table in &TABLES {
            let mut listed: Vec<_> = table.columns.iter().map(|c| (*c).to_owned()).collect();
            listed.sort();
            let sql = format!("SELECT name FROM pragma_table_info('{}') ORDER BY 1", table.name);
            assert_eq!(listed, column(&db, &sql), "{}", table.name);
        }
    }

    #[test]
    fn every_statement_prepares_takes_its_row_and_scans_nothing() {
        let db = database();
        let tables =
            TABLES.iter().flat_map(|t| [(&t.read, 2), (&t.keys, 2), (&t.merge, t.columns.len())]);
        for (statement, values) in tables.chain(REGISTERS.iter().map(|r| (&r.read, 2))) {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
            assert_eq!(plan.parameter_count(), values, "{}", statement.sql);
            let steps = plan
                .query_map(rusqlite::params_from_iter(vec![Null; values]), |row| row.get("detail"))
                .unwrap()
                .collect::<Result<Vec<String>, _>>()
                .unwrap();
            let is_bad = |s: &String| s.starts_with("SCAN") && s != "SCAN CONSTANT ROW";
            assert!(!steps.iter().any(is_bad), "{steps:?} in {}", statement.sql);
            assert!(!steps.iter().any(|s| s.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
