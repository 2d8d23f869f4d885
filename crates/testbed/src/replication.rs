//! Standbys and backups of a cluster.

use crate::cluster::{Cluster, append};
use crate::database::Address;
use crate::home::Home;
use crate::installation::Installation;
use crate::proxy::Proxy;
use crate::wait::eventually;

/// A copy of a running cluster, from which any number of others can be started.
pub struct Backup {
    home: Home,
}

impl Cluster {
    /// A hot standby of this cluster, that follows it asynchronously unless this cluster's
    /// `synchronous_standby_names` has its name. Once promoted it waits for no standby itself.
    pub fn standby(&self, name: &str) -> Self {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        assert!(is_plain, "{name:?} is no plain name of a standby");
        let link = Proxy::start(([127, 0, 0, 1], self.port()).into());
        let home = self.server().home.another();
        copy(&home, link.port(), &["--write-recovery-conf"], name);
        append(&home, "postgresql.auto.conf", &[("synchronous_standby_names", "")]);
        Self::run(home, Some(link))
    }

    /// Waits until this standby has all that is written on its primary now.
    pub fn catch_up(&self) {
        let primary = Address::local(self.link().target().port());
        let written = primary.execute("postgres", "SELECT pg_current_wal_flush_lsn()");
        self.wait_for(&format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"));
    }

    /// Cuts this standby off from its primary, which runs ahead from now on.
    pub fn hold_back(&self) {
        self.link().refuse(true);
        self.link().cut();
        self.wait_for("SELECT count(*) = 0 FROM pg_stat_wal_receiver");
    }

    /// Lets this standby follow its primary again.
    pub fn let_go(&self) {
        self.link().refuse(false);
    }

    /// Makes a primary of this standby, and waits until it is one.
    pub fn promote(&self) {
        let home = &self.server().home;
        let pg_ctl = Installation::get().program("pg_ctl");
        home.run(&[&pg_ctl, "promote", "-w", "-t", "120", "-D", &home.data()]);
        self.wait_for("SELECT NOT pg_is_in_recovery()");
    }

    /// A copy of this cluster as it is now, taken while it runs.
    pub fn base_backup(&self) -> Backup {
        let home = self.server().home.another();
        copy(&home, self.port(), &[], "backup");
        Backup { home }
    }

    /// A cluster with the data of a backup, on a port of its own. It stays on the timeline that the
    /// backup was taken on.
    pub fn restore(backup: &Backup) -> Self {
        let home = backup.home.another();
        home.run(&["cp", "-R", "-p", &backup.home.data(), &home.data()]);
        Self::run(home, None)
    }

    fn link(&self) -> &Proxy {
        self.link.as_ref().expect("a standby")
    }

    fn wait_for(&self, sql: &str) {
        let is_so = eventually(|| self.execute("postgres", sql) == "t");
        assert!(is_so, "{sql} stays false. The log:\n{}", self.server().home.log());
    }
}

fn copy(home: &Home, port: u16, options: &[&str], name: &str) {
    let program = Installation::get().program("pg_basebackup");
    let from = format!("host=127.0.0.1 port={port} user=remint application_name={name}");
    let data = home.data();
    let mut words = vec![program.as_str(), "-d", &from, "-D", &data];
    words.extend(["-X", "stream", "--checkpoint=fast", "--no-sync"]);
    words.extend(options);
    home.run(&words);
}
