//! Two nodes on one database with nginx in front of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use remint_testbed::Database;
use tempfile::TempDir;

use crate::client::Client;
use crate::node::{Node, remint};
use crate::proxy::{self, Nginx};

pub(crate) const HOST: &str = "id.example.com";
pub(crate) const SECRET: &str = "shop-secret";
pub(crate) const PASSWORD: &str = "wonderland";

/// What all nodes share, and the files of the first of them.
pub(crate) struct Installation {
    dir: TempDir,
    #[expect(dead_code, reason = "it goes away with this")]
    database: Database,
}

impl Installation {
    /// An installation with the client `shop` and the user `alice`; `None` where it cannot be had.
    pub(crate) fn new() -> Option<Self> {
        proxy::find()?;
        let database = remint_testbed::postgres()?.create_database();
        let url = database.url();
        let made = Self { dir: tempfile::tempdir().unwrap(), database };
        let issuer = format!("https://{HOST}");
        let init = ["init", "--issuer", &issuer, "--store-url", &url];
        let first = made.node_dir(1);
        remint(&first, &init, "");
        remint(&first, &["migrate"], "");
        let grants = ["--grant", "password", "--grant", "refresh_token", "--scope", "a b"];
        let shop = ["client", "create", "--id", "shop", "--grace-period", "60s", "--secret-stdin"];
        remint(&first, &[&shop[..], &grants[..]].concat(), SECRET);
        remint(&first, &["user", "create", "--username", "alice", "--password-stdin"], PASSWORD);
        Some(made)
    }

    pub(crate) fn node_dir(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("node-{number}"))
    }

    /// The certificate of the nodes and, here, of nginx. The first node makes it.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.node_dir(1).join("self-signed.crt")
    }

    /// Starts a node with the files of the first one.
    pub(crate) fn start(&self, number: u32) -> Node {
        let all = ["remint.toml", "remint.keys", "self-signed.crt", "self-signed.key"];
        self.start_with(number, if number > 1 { &all } else { &[] })
    }

    /// Starts a node with some files of the first one. A certificate that it lacks it makes.
    pub(crate) fn start_with(&self, number: u32, files: &[&str]) -> Node {
        let (from, to) = (self.node_dir(1), self.node_dir(number));
        fs::create_dir_all(&to).unwrap();
        for file in files {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
        Node::start(&to)
    }

    /// Starts nginx in front of two addresses.
    pub(crate) fn start_nginx(&self, nodes: [SocketAddr; 2]) -> Nginx {
        self.start_nginx_trusting(nodes, &self.certificate())
    }

    /// Starts nginx in front of nodes with the certificates in this file.
    pub(crate) fn start_nginx_trusting(&self, nodes: [SocketAddr; 2], trusted: &Path) -> Nginx {
        let dir = self.dir.path().join("nginx");
        fs::create_dir_all(&dir).unwrap();
        Nginx::start(&dir, nodes, [&self.certificate(), trusted])
    }

    pub(crate) fn client(&self, from: Ipv4Addr, to: SocketAddr) -> Client {
        Client::new(from, to, &self.certificate())
    }
}

/// Everything, running.
pub(crate) struct Site {
    pub(crate) nginx: Nginx,
    pub(crate) nodes: [Node; 2],
    installation: Installation,
}

impl Site {
    /// `None` where it cannot be had.
    pub(crate) fn new() -> Option<Self> {
        let installation = Installation::new()?;
        let nodes = [installation.start(1), installation.start(2)];
        let nginx = installation.start_nginx([nodes[0].address, nodes[1].address]);
        Some(Self { nginx, nodes, installation })
    }

    pub(crate) fn node_dir(&self, number: u32) -> PathBuf {
        self.installation.node_dir(number)
    }

    pub(crate) fn client(&self, from: Ipv4Addr, to: SocketAddr) -> Client {
        self.installation.client(from, to)
    }

    /// Adds a root key to the file of the first node, which the second one then lacks.
    pub(crate) fn add_key(&self) {
        remint(&self.node_dir(1), &["key", "add"], "");
    }
}
