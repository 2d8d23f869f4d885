//! Nodes that share a database.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use remint_testbed::{Database, Proxy};
use tempfile::TempDir;

use crate::node::Node;
use crate::support::{CREATE_ALICE, CREATE_SHOP, PASSWORD, SECRET, remint, run};

/// Short limits, so that what is lost is noticed soon; fast passwords.
const SETTINGS: [(&str, &str); 7] = [
    ("http.plain", "true"),
    ("http.listen", "127.0.0.1:0"),
    ("ops.listen", "off"),
    ("passwords.memory", "8MiB"),
    ("passwords.iterations", "1"),
    ("store.connect_timeout", "1s"),
    ("store.statement_timeout", "1s"),
];

/// As many as there are, each with the same key file.
pub(crate) struct Nodes {
    all: Vec<Node>,
    /// What was done to them, in the order of the numbers.
    deeds: Mutex<Vec<String>>,
    clock: AtomicUsize,
    failed: AtomicBool,
    _dir: TempDir,
}

/// A number that nobody chose. It decides what happens when; nothing fails for want of repeating it.
pub(crate) fn any(below: usize) -> usize {
    let drawn = RandomState::new().build_hasher().finish();
    usize::try_from(drawn % u64::try_from(below).unwrap()).unwrap()
}

/// How many times longer than usual tests last that get better by it.
pub(crate) fn soak() -> usize {
    #[expect(clippy::disallowed_methods, reason = "the test's own knob, read in this one place")]
    let factor = std::env::var("REMINT_SOAK");
    factor.map_or(1, |factor| factor.parse().expect("REMINT_SOAK is a number"))
}

/// A database as it is seen through a proxy.
pub(crate) fn through(proxy: &Proxy, database: &Database) -> String {
    format!("postgres://remint@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), database.name())
}

impl Nodes {
    /// Data directories with settings on top of the usual ones; nothing runs yet.
    pub(crate) fn new(count: usize, store_url: &str, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = |number: usize| dir.path().join(format!("node{number}"));
        let mut init = remint();
        init.args(["init", "--store-url", store_url, "--data-dir"]).arg(place(0));
        run(init, "").ok();
        for number in 1..count {
            fs::create_dir(place(number)).unwrap();
            for file in ["remint.toml", "remint.keys"] {
                fs::copy(place(0).join(file), place(number).join(file)).unwrap();
            }
        }
        let variable = |(key, value): &(&str, &str)| {
            (format!("REMINT_{}", key.replace('.', "_").to_uppercase()), (*value).to_owned())
        };
        let variables: Vec<_> = SETTINGS.iter().chain(settings).map(variable).collect();
        let all = (0..count).map(|number| Node::new(number, &place(number), &variables)).collect();
        Self {
            all,
            deeds: Mutex::default(),
            clock: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            _dir: dir,
        }
    }

    /// All of them run, and there are the client `shop` and the user `alice`.
    pub(crate) fn running(count: usize, store_url: &str, settings: &[(&str, &str)]) -> Self {
        let nodes = Self::new(count, store_url, settings);
        let first = nodes.at(0);
        first.run(&["migrate"]).ok();
        first.run_with(&CREATE_SHOP, SECRET).ok();
        first.run_with(&CREATE_ALICE, PASSWORD).ok();
        nodes.iter().for_each(Node::start);
        nodes
    }

    /// Where commands find the database from now on. Servers that run do not change.
    pub(crate) fn commands_go_to(&mut self, store_url: &str) {
        for node in &mut self.all {
            node.set("REMINT_STORE_URL", store_url);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.all.iter()
    }

    pub(crate) fn at(&self, number: usize) -> &Node {
        &self.all[number]
    }

    pub(crate) fn any(&self) -> &Node {
        self.at(any(self.all.len()))
    }

    /// One more moment that something happened at, by which stories are put in order.
    pub(crate) fn tick(&self) -> usize {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes what is done to them.
    pub(crate) fn note(&self, deed: &str) {
        let deed = format!("{:6} {deed}", self.tick());
        self.deeds.lock().unwrap().push(deed);
    }

    /// All that was done to them, and how they are.
    pub(crate) fn deeds(&self) -> String {
        let deeds = self.deeds.lock().unwrap().join("\n");
        let states: Vec<_> = self.iter().map(Node::state).collect();
        format!("{deeds}\n{}", states.join(", "))
    }

    /// Somebody has failed: nobody need go on.
    pub(crate) fn give_up(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Panics when somebody has failed.
    pub(crate) fn check(&self) {
        assert!(!self.failed.load(Ordering::Acquire), "somebody failed: see above");
    }

    /// How often an event was logged, by all of them.
    pub(crate) fn logged(&self, event: &str) -> usize {
        self.iter().map(|node| node.log().matches(event).count()).sum()
    }
}

/// Users like alice, each with her password, so that each session is its user's only one.
pub(crate) fn like_alice(database: &Database, users: impl Iterator<Item = String>) {
    let names = users.map(|name| format!("('{name}')")).collect::<Vec<_>>().join(", ");
    database.execute(&format!(
        "INSERT INTO users SELECT decode(md5(n.name), 'hex'), n.name, password_hash, disabled_at, \
         not_before, created_at, updated_at FROM users, (VALUES {names}) AS n (name) \
         WHERE username = 'alice'"
    ));
}
