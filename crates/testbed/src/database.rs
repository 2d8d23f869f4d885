//! SQL through `psql`, and databases that go away with the value that stands for them.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use crate::installation::psql;
use crate::server::random;

/// The address of the databases of one cluster.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) port: u16,
    before: String,
    after: String,
}

impl Address {
    pub(crate) fn local(port: u16) -> Self {
        let before = format!("postgres://remint@127.0.0.1:{port}/");
        Self { port, before, after: "?sslmode=disable".to_owned() }
    }

    pub(crate) fn parse(url: &str) -> Self {
        let (path, after) = match url.find('?') {
            Some(at) => url.split_at(at),
            None => (url, ""),
        };
        let authority = path.split_once("://").map_or(path, |(_, rest)| rest);
        let host = authority.split_once('/').map_or(authority, |(host, _)| host);
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let (before, _) = path.split_at(path.len() - authority.len() + host.len());
        Self { port: port.unwrap_or(5432), before: format!("{before}/"), after: after.to_owned() }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let Self { before, after, .. } = self;
        format!("{before}{database}{after}")
    }

    pub(crate) fn execute(&self, database: &str, sql: &str) -> String {
        self.try_execute(database, sql).unwrap_or_else(|error| {
            panic!("the database at {} refuses {sql:?}: {error}", self.url(database))
        })
    }

    /// The statements go in over standard input, so that each is a transaction of its own.
    pub(crate) fn try_execute(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(psql());
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .args(["-d", &self.url(database)])
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql, of PostgreSQL's client programs");
        let mut input = child.stdin.take().expect("psql's input");
        let output = thread::scope(|scope| {
            // psql reads no more when it fails, which is told below.
            scope.spawn(move || input.write_all(sql.as_bytes()));
            child.wait_with_output().expect("psql's output")
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// A database that nobody else knows of, dropped together with this value.
#[must_use = "the database goes away with it"]
pub struct Database {
    address: Address,
    name: String,
}

impl Database {
    pub(crate) fn create(address: &Address) -> Self {
        let name = format!("remint_{:016x}", random());
        address.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Self { address: address.clone(), name }
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        self.address.url(&self.name)
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// See [`Cluster::execute`](crate::Cluster::execute).
    pub fn execute(&self, sql: &str) -> String {
        self.address.execute(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may have been stopped meanwhile, and its directory goes away anyway.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = self.address.try_execute("postgres", &sql);
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn another_database_of_the_same_server_differs_in_the_path_alone() {
        for (url, port, other) in [
            ("postgres://u:p@host:7777/db", 7777, "postgres://u:p@host:7777/other"),
            ("postgres://u:p@host/db?a=b/c", 5432, "postgres://u:p@host/other?a=b/c"),
            ("postgresql://u@[::1]:7777", 7777, "postgresql://u@[::1]:7777/other"),
        ] {
            let address = Address::parse(url);
            assert_eq!((address.port, address.url("other").as_str()), (port, other));
        }
    }
}
