//! Moving an installation to another store: everything that it remembers is copied, in pieces, while
//! its server runs, and once more after it was stopped.
//!
//! A copy may end at any point and be run again: each piece is merged with what is there, so that what
//! came before stays, what changed since is brought along, and nothing is set back that went on at the
//! target. Clients and users that were deleted at the source are deleted at the target too. Only an
//! empty store is copied to, or one that was copied to before from the same installation.

mod table;
mod walk;

use remint_protocol::client_id::ClientId;
use remint_protocol::user::UserId;

use crate::batch::{Batch, Statement, Write};
use crate::meta::raise_revision;
use crate::row::{Columns, FromValue as _, Row, Value};
use crate::{Error, Store};

use table::{REGISTERS, Register, TABLES, Table};
use walk::Walk;

/// The most rows in memory of either side, and in one commit.
const PIECE: u32 = 500;
/// The most keys in memory while rows are counted.
const COUNTED: u32 = 10_000;

/// The newest time of registration among the clients and users that copies have brought to this
/// store. It is there once a copy has begun, and tells what came by a copy from what was registered
/// here later.
const LOAD_MARK: Statement = Statement::new("SELECT value FROM meta WHERE name = 'copied'");
const RAISE_MARK: Statement = Statement::new(
    "INSERT INTO meta (name, value) VALUES ('copied', ?1) ON CONFLICT (name) DO UPDATE \
     SET value = CASE WHEN excluded.value > meta.value THEN excluded.value ELSE meta.value END",
);
const RAISE_COUNTER: Statement =
    Statement::new("UPDATE meta SET value = ?2 WHERE name = ?1 AND value < ?2");
/// Within a transaction: the numbers of ends in what it writes are those of the source.
const SET_COPYING: Statement = Statement::new("UPDATE meta SET value = ?1 WHERE name = 'copying'");
/// Brings a key under the number of one that was retired at the source, and is so here.
const REUSE_NUMBER: Statement = Statement::new(
    "UPDATE keys SET fingerprint = ?2, added_at = ?3, activated_at = NULL, retired_at = NULL \
     WHERE kid = ?1 AND fingerprint <> ?2 AND retired_at < ?3",
);
const FORGET_KEYS: Statement = Statement::new("DELETE FROM keys");
const FORGET_SIGNING_KEYS: Statement = Statement::new("DELETE FROM signing_keys");
const FORGET_SECRETS: Statement = Statement::new("DELETE FROM secrets");

/// One of the two stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The store that is copied.
    Source,
    /// The store to which it is copied.
    Target,
}

impl Side {
    fn failed(self) -> impl Fn(Error) -> CopyError {
        move |error| CopyError::Store { side: self, error }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// The reason why a copy ends early. Rows that were copied stay; running it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store does not answer.
    #[error("the {side}: {error}")]
    Store {
        /// The side.
        side: Side,
        /// Its reason.
        error: Error,
    },
    /// Nothing tells which installation the source is.
    #[error(
        "the source does not know its root keys yet: run `remint key list` on it, then try again"
    )]
    NoKeys,
    /// The root keys are not the same.
    #[error("the target holds another installation: its root key {kid} is not that of the source")]
    OtherKey {
        /// The key's number.
        kid: i64,
    },
    /// A client has the same id by chance.
    #[error(
        "the target holds another installation: its client {id} was registered at another time than \
         that of the source"
    )]
    OtherClient {
        /// The client's id.
        id: String,
    },
    /// A user has the same name by chance.
    #[error(
        "the target holds another installation: its user {username} is not the one of the source"
    )]
    OtherUser {
        /// The user's name.
        username: String,
    },
    /// The target holds rows that were not copied there.
    #[error(
        "the target is not empty, and what it holds was not copied there: give an empty database"
    )]
    NotEmpty,
}

/// The progress of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table that is being copied.
    pub table: &'static str,
    /// The number of its rows that were read.
    pub rows: u64,
    /// The share of it in thousandths, where it can be told.
    pub share: Option<u64>,
}

/// The result for one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: &'static str,
    /// The rows that were read from the source.
    pub source: u64,
    /// The rows that the target has now.
    pub target: u64,
    /// The rows that the target lacked or had otherwise.
    pub written: u64,
    /// The rows that the source has no more, where that matters.
    pub removed: u64,
}

impl Copied {
    /// Whether nothing got lost on the way.
    pub const fn is_complete(&self) -> bool {
        self.target >= self.source
    }
}

impl Store {
    /// Copies everything to another store, which may have been copied to before, and gives what became
    /// of each table. Says how far it is after each piece. May be dropped at any point, and be run
    /// again; servers of the source may run meanwhile.
    ///
    /// # Errors
    /// [`CopyError`]. Nothing is written to a store that holds another installation.
    pub async fn copy_to(
        &self,
        target: &Self,
        mut tell: impl FnMut(Progress),
    ) -> Result<Vec<Copied>, CopyError> {
        let copy = Copy { source: self, target };
        let mark = copy.check().await?;
        copy.begin(mark).await?;
        let mut tables = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            let removed = match REGISTERS.iter().find(|register| register.name == table.name) {
                Some(register) => copy.register(register, mark, true).await?,
                None => 0,
            };
            let (source, written) = copy.table(table, &mut tell).await?;
            tables.push(Copied { table: table.name, source, target: 0, written, removed });
        }
        // The source may have been promoted or restored meanwhile.
        copy.commit(copy.raise_counters().await?).await?;
        for (copied, table) in tables.iter_mut().zip(&TABLES) {
            copied.target = copy.count(table).await?;
        }
        Ok(tables)
    }
}

/// Never reached: every registration is younger.
const NO_MARK: i64 = i64::MIN;

struct Copy<'a> {
    source: &'a Store,
    target: &'a Store,
}

impl<'a> Copy<'a> {
    /// Refuses a target that holds something else. Gives the mark; [`NO_MARK`] for an empty one.
    async fn check(&self) -> Result<i64, CopyError> {
        let keys = self.walk(Side::Source, keys()).piece().await?;
        if keys.is_empty() {
            return Err(CopyError::NoKeys);
        }
        let target = Side::Target.failed();
        let row = self.target.read_one(&LOAD_MARK, &[]).await.map_err(&target)?;
        let mark = row.map(|row| Columns::new("meta", row).take("copied"));
        let mark = mark.transpose().map_err(&target)?;
        if mark.is_none() && self.is_empty().await? {
            return Ok(NO_MARK);
        }
        self.check_keys(&keys).await?;
        for register in &REGISTERS {
            self.register(register, mark.unwrap_or(NO_MARK), false).await?;
        }
        mark.ok_or(CopyError::NotEmpty)
    }

    /// Root keys are drawn at random: stores that share one are of one installation.
    async fn check_keys(&self, source: &[Row]) -> Result<(), CopyError> {
        let target = self.walk(Side::Target, keys()).piece().await?;
        // Number and fingerprint; the times may differ.
        let same = |a: &Row, b: &Row| a.iter().zip(b).take(2).all(|(a, b)| a == b);
        let number = |row: &Row| row.first().cloned();
        let knows = |key: &&Row| source.iter().any(|known| same(known, key));
        let means_another = |key: &&Row| {
            let differs = |known: &&Row| number(known) == number(key) && !is_reused(known, key);
            !knows(key) && source.iter().any(|known| differs(&known))
        };
        let is_strange = !target.iter().any(|key| knows(&key));
        let other = target.iter().find(means_another);
        match other.or_else(|| target.first().filter(|_| is_strange)).and_then(number) {
            Some(Value::Int(kid)) => Err(CopyError::OtherKey { kid }),
            _ => Ok(()),
        }
    }

    /// Numbers that have another key at the source than the one that was retired here.
    async fn reuse_numbers(&self) -> Result<Batch, CopyError> {
        let keys = self.walk(Side::Source, keys()).piece().await?;
        let write = |row: Row| Write::any(&REUSE_NUMBER, row.into_iter().take(3).collect());
        Ok(keys.into_iter().map(write).collect())
    }

    async fn is_empty(&self) -> Result<bool, CopyError> {
        for table in TABLES.iter().filter(|t| matches!(t.name, "clients" | "users" | "families")) {
            let mut rows =
                Walk::new((self.target, Side::Target), &table.keys, table.key.start(), 1);
            if !rows.piece().await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Before the first row is copied: from then on, no row of the target is ever seen with an epoch
    /// that says too little of it.
    async fn begin(&self, mark: i64) -> Result<(), CopyError> {
        let mut batch = self.raise_counters().await?;
        batch.push(Write::any(&RAISE_MARK, vec![0_i64.into()]));
        batch.extend(self.reuse_numbers().await?);
        if mark == NO_MARK {
            // Whoever looked at the empty store made the keys of some file known there, and a server
            // made keys to sign with.
            batch.push(Write::any(&FORGET_KEYS, Vec::new()));
            batch.push(Write::any(&FORGET_SIGNING_KEYS, Vec::new()));
            batch.push(Write::any(&FORGET_SECRETS, Vec::new()));
        }
        self.commit(batch).await
    }

    /// The target's epoch must be greater than the source's, not only as great. A session that is
    /// refreshed at the source after its row was copied is ahead of that row, with a token of the
    /// source's epoch: exactly what a failover leaves behind. With the same epoch it would be a
    /// forgery, and end the session; with a greater one the row catches up.
    async fn raise_counters(&self) -> Result<Batch, CopyError> {
        let failed = Side::Source.failed();
        let epoch = self.source.epoch().await.map_err(&failed)?.saturating_add(1);
        let revision = self.source.revision().await.map_err(failed)?;
        let raise = |name: &str, to: Value| Write::any(&RAISE_COUNTER, vec![name.into(), to]);
        Ok(vec![raise("epoch", epoch.into()), raise("revision", revision.into())])
    }

    /// Compares who is registered at the target with the source. Whoever came by a copy and is not
    /// there any more was deleted since, and is removed if asked for; how many, is the answer. Whoever
    /// did not come by a copy, but has a name that the source knows as another one's, belongs to
    /// another installation.
    async fn register(
        &self,
        register: &'static Register,
        mark: i64,
        remove: bool,
    ) -> Result<u64, CopyError> {
        let walk =
            |side| Walk::new((self.store(side), side), &register.read, register.key.start(), PIECE);
        let (mut source, mut target) = (walk(Side::Source), walk(Side::Target));
        let mut removed = 0;
        loop {
            let piece = target.piece().await?;
            if piece.is_empty() {
                return Ok(removed);
            }
            for row in piece {
                let [name, identity, created_at] = &row[..] else { continue };
                let same_name = source.find(name).await?;
                if same_name.as_ref().and_then(|row| row.get(1)) == Some(identity) {
                    continue;
                }
                let is_copied = matches!(created_at, Value::Int(at) if *at <= mark);
                if is_copied && remove {
                    self.delete(register, row).await?;
                    removed += 1;
                } else if !is_copied && same_name.is_some() {
                    return Err(other(register, name));
                }
            }
        }
    }

    async fn delete(&self, register: &Register, row: Row) -> Result<(), CopyError> {
        let mut columns = Columns::new(register.name, row);
        let target = Side::Target.failed();
        let deleted = if register.name == "clients" {
            let id = columns.parse("id", |text: String| ClientId::parse(&text)).map_err(&target)?;
            self.target.delete_client(&id).await
        } else {
            let _: String = columns.take("username").map_err(&target)?;
            let id = UserId(columns.take("id").map_err(&target)?);
            self.target.delete_user(id).await
        };
        deleted.map(drop).map_err(target)
    }

    /// Copies a table, and gives how many rows were read and how many written.
    async fn table(
        &self,
        table: &'static Table,
        tell: &mut impl FnMut(Progress),
    ) -> Result<(u64, u64), CopyError> {
        let (mut source, mut target) =
            (self.walk(Side::Source, table), self.walk(Side::Target, table));
        let (mut read, mut written) = (0, 0);
        loop {
            let piece = source.piece().await?;
            let Some(last) = piece.last().and_then(|row| row.first()).cloned() else {
                tell(Progress { table: table.name, rows: read, share: Some(1_000) });
                return Ok((read, written));
            };
            read += count(&piece);
            let mut changed = Vec::with_capacity(piece.len());
            for row in piece {
                // A row that is there as it is here is not even looked at by the engine that writes,
                // which makes a second copy cheap. The statement decides about all others.
                let key = row.first().unwrap_or(&Value::Null);
                if target.find(key).await?.as_ref() != Some(&row) {
                    changed.push(row);
                }
            }
            written += count(&changed);
            self.write(table, changed).await?;
            tell(Progress { table: table.name, rows: read, share: share(&last) });
        }
    }

    async fn write(&self, table: &'static Table, rows: Vec<Row>) -> Result<(), CopyError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut batch = Vec::with_capacity(rows.len() + 4);
        let copying = |flag: bool| Write::one(&SET_COPYING, vec![flag.into()]);
        batch.push(copying(true));
        // The counters in the order of `begin`: what is left of a copy that was interrupted may still be
        // under way.
        batch.extend(table.is_cached().then(raise_revision));
        if let Some(at) = table.registered_at() {
            let times = rows.iter().filter_map(|row| i64::from_value(row.get(at)?.clone()));
            batch.extend(times.max().map(|newest| Write::any(&RAISE_MARK, vec![newest.into()])));
        }
        batch.extend(rows.into_iter().map(|row| Write::any(&table.merge, row)));
        batch.push(copying(false));
        self.commit(batch).await
    }

    async fn count(&self, table: &'static Table) -> Result<u64, CopyError> {
        let start = table.key.start();
        let mut keys = Walk::new((self.target, Side::Target), &table.keys, start, COUNTED);
        let mut all = 0;
        loop {
            match count(&keys.piece().await?) {
                0 => return Ok(all),
                some => all += some,
            }
        }
    }

    async fn commit(&self, batch: Batch) -> Result<(), CopyError> {
        self.target.commit(batch).await.map(drop).map_err(Side::Target.failed())
    }

    fn walk(&self, side: Side, table: &'static Table) -> Walk<'a> {
        Walk::new((self.store(side), side), &table.read, table.key.start(), PIECE)
    }

    const fn store(&self, side: Side) -> &'a Store {
        match side {
            Side::Source => self.source,
            Side::Target => self.target,
        }
    }
}

/// Whether one of two keys with one number came after the other was retired.
fn is_reused(a: &Row, b: &Row) -> bool {
    let comes_after = |a: &Row, b: &Row| match (a.get(2), b.get(4)) {
        (Some(Value::Int(added)), Some(Value::Int(retired))) => added > retired,
        _ => false,
    };
    comes_after(a, b) || comes_after(b, a)
}

fn keys() -> &'static Table {
    let [keys, ..] = &TABLES;
    keys
}

fn other(register: &Register, name: &Value) -> CopyError {
    let name = String::from_value(name.clone()).unwrap_or_default();
    match register.name {
        "clients" => CopyError::OtherClient { id: name },
        _ => CopyError::OtherUser { username: name },
    }
}

fn count(rows: &[Row]) -> u64 {
    rows.len().try_into().unwrap_or(u64::MAX)
}

/// Keys of bytes are drawn at random or hashes, so how far one is along tells how far the copy is.
fn share(key: &Value) -> Option<u64> {
    let Value::Blob(bytes) = key else { return None };
    let [a, b, ..] = bytes[..] else { return None };
    Some(u64::from(u16::from_be_bytes([a, b])) * 1_000 / 65_536)
}
