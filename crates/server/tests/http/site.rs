//! A server in this process, on a loopback port of its own, over a database in a temporary
//! directory.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use remint_protocol::client::{AuthMethod, Client, GrantType};
use remint_protocol::client_id::ClientId;
use remint_protocol::family::Loaded;
use remint_protocol::scope::Scope;
use remint_protocol::signing_key::SigningAlg;
use remint_protocol::time::Timestamp;
use remint_protocol::user::Username;
use remint_server::App;
use remint_server::clock::Clock;
use remint_server::config::{Config, Sources};
use remint_server::entropy;
use remint_server::http::serve;
use remint_server::keys::signing::{self, NewSigningKey, Plan};
use remint_server::keys::{self, KeyFile, RootKeys};
use remint_server::ops_router;
use remint_server::passwords::Passwords;
use remint_server::router_with;
use remint_store::{Filter, Outcome, Store, User};
pub(crate) use remint_testbed::http::Answer;
use remint_testbed::http::{self, Headers, Http};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub(crate) const SECRET: &str = "s3cret";
pub(crate) const PASSWORD: &str = "wonderland";
/// When the clock starts: 2023-11-14T22:13:20Z.
pub(crate) const START: i64 = 1_700_000_000;

const SETTINGS: &str = "[http]\nplain = true\nlisten = \"127.0.0.1:0\"\n\
    [passwords]\nmemory = \"8MiB\"\niterations = 1\n";

/// How a request proves who sends it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum As<'a> {
    /// Basic credentials of a client with [`SECRET`].
    Client(&'a str),
    /// Basic credentials.
    Basic(&'a str, &'a str),
    /// The whole header.
    Header(&'a str),
    /// Nothing: the form has it, or nothing has.
    Nobody,
}

impl As<'_> {
    fn header(self) -> Option<String> {
        match self {
            Self::Client(id) => Some(basic(id, SECRET)),
            Self::Basic(id, secret) => Some(basic(id, secret)),
            Self::Header(text) => Some(text.to_owned()),
            Self::Nobody => None,
        }
    }
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    http::basic(&format!("{id}:{secret}"))
}

/// What a login gives.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl From<Answer> for Tokens {
    fn from(answer: Answer) -> Self {
        Self { access: answer.text("access_token"), refresh: answer.text("refresh_token") }
    }
}

pub(crate) struct Site {
    pub(crate) app: Arc<App>,
    pub(crate) store: Store,
    pub(crate) keys: RootKeys,
    pub(crate) address: SocketAddr,
    pub(crate) ops: SocketAddr,
    client: Http,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
    dir: TempDir,
    settings: String,
}

impl Site {
    /// A server with the client `demo` (grants: all; scope: `a b c`) and the user `alice`.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same with more settings.
    pub(crate) fn with(settings: &str) -> Self {
        Self::furnished(settings, |_| Router::new())
    }

    /// The same with more routes; a restart forgets them.
    pub(crate) fn with_more(more: impl FnOnce(&Arc<App>) -> Router<Arc<App>>) -> Self {
        Self::furnished("", more)
    }

    fn furnished(settings: &str, more: impl FnOnce(&Arc<App>) -> Router<Arc<App>>) -> Self {
        let site = Self::open_with(tempfile::tempdir().unwrap(), settings, START * 1000, more);
        site.register("demo", |_| {});
        site.create_user("alice");
        site
    }

    fn open(dir: TempDir, settings: &str, millis: i64) -> Self {
        Self::open_with(dir, settings, millis, |_| Router::new())
    }

    fn open_with(
        dir: TempDir,
        settings: &str,
        millis: i64,
        more: impl FnOnce(&Arc<App>) -> Router<Arc<App>>,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let config = config(dir.path(), settings);
        if !config.key_file().exists() {
            KeyFile::create(&config.key_file()).unwrap();
        }
        let store = Store::open(&config.database()).unwrap();
        let clock = Clock::Manual(millis.into());
        let (stop, stopped) = watch::channel(false);
        let (app, keys, address, ops) = runtime.block_on(async {
            let keys = keys::load(&config.key_file(), &store, clock.now()).await.unwrap();
            seed_signing_keys(&store, &keys, clock.now()).await;
            let app = App::new(config, store.clone(), keys.clone(), clock).unwrap();
            let public = listen(&app, router_with(&app, more(&app)), stopped.clone());
            let ops = listen(&app, ops_router(&app), stopped);
            serve::start_background(&app);
            (app, keys, public, ops)
        });
        let client = Http::new(Duration::from_secs(30));
        let (runtime, settings) = (Some(runtime), settings.to_owned());
        Self { app, store, keys, address, ops, client, stop, runtime, dir, settings }
    }

    /// Stops the server and starts another one on the same data.
    pub(crate) fn restarted(mut self) -> Self {
        self.stop();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::open(dir, &self.settings, self.now().as_millis())
    }

    /// The same, with a second root key that seals from now on.
    pub(crate) fn restarted_with_a_new_key(self) -> Self {
        let mut file = KeyFile::read(&self.app.config().key_file()).unwrap();
        let kid = file.add(std::iter::empty()).unwrap();
        file.save().unwrap();
        let site = self.restarted();
        site.block_on(site.store.activate_key(kid, site.now())).unwrap();
        site.restarted()
    }

    fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.store.close());
    }

    /// Takes the store from the server, which goes on.
    pub(crate) fn close_store(&self) {
        self.block_on(self.store.close());
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(future)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    pub(crate) fn set_clock(&self, millis: i64) {
        let Clock::Manual(clock) = self.app.clock() else { panic!("the clock is a real one") };
        clock.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn wait(&self, secs: i64) {
        self.set_clock(self.now().as_millis() + secs * 1000);
    }

    /// Registers a confidential client with every grant, after `edit`.
    pub(crate) fn register(&self, id: &str, edit: impl FnOnce(&mut Client)) {
        let mut client = Client {
            auth_methods: vec![AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost],
            secret: self.keys.hash_client_secret(SECRET),
            grants: GrantType::ALL.to_vec(),
            scope: Scope::parse("a b c").unwrap(),
            ..Client::new(ClientId::parse(id).unwrap(), self.now())
        };
        edit(&mut client);
        assert_eq!(self.block_on(self.store.create_client(&client)).unwrap(), Outcome::Done);
    }

    /// Changes a client and waits until the server has seen it.
    pub(crate) fn change(&self, id: &str, edit: impl FnOnce(&mut Client)) {
        let mut client = self.block_on(self.store.find_client(id)).unwrap().unwrap();
        let seen_at = client.updated_at;
        edit(&mut client);
        client.updated_at = seen_at.after(Duration::from_millis(1));
        let outcome = self.block_on(self.store.update_client(&client, seen_at)).unwrap();
        assert_eq!(outcome, Outcome::Done);
        self.let_changes_be_seen();
    }

    /// Waits until the server has seen the change of a registration.
    pub(crate) fn let_changes_be_seen(&self) {
        eventually(|| self.block_on(self.app.is_up_to_date()).unwrap());
    }

    /// Waits for the sweep that every server begins with. It tells of living sessions at its end.
    pub(crate) fn let_the_sweep_end(&self) {
        eventually(|| self.metric("remint_families_live") > 0.5);
    }

    /// Registers a client without a secret.
    pub(crate) fn register_public(&self, id: &str) {
        self.register(id, |client| {
            client.auth_methods = vec![AuthMethod::None];
            client.secret = None;
            client.grants = vec![GrantType::Password, GrantType::RefreshToken];
        });
    }

    pub(crate) fn create_user(&self, name: &str) -> User {
        let name = Username::parse(name).unwrap();
        let hash = Passwords::new(&self.app.config().passwords).unwrap().hash(&PASSWORD.into());
        let hash = hash.unwrap();
        let id = entropy::user_id().unwrap();
        let created = self.store.create_user(id, &name, &hash, self.now());
        assert_eq!(self.block_on(created).unwrap(), Outcome::Done);
        self.user(name.as_str())
    }

    pub(crate) fn user(&self, name: &str) -> User {
        let name = Username::parse(name).unwrap();
        self.block_on(self.store.find_user(&name)).unwrap().unwrap()
    }

    /// Every family as it stands in the database.
    pub(crate) fn families(&self) -> Vec<Loaded> {
        let page = self.block_on(self.store.list_families(Filter::All, None, 10_000));
        page.unwrap().families
    }

    /// Sends a form.
    pub(crate) fn post(&self, path: &str, sender: As<'_>, form: &[(&str, &str)]) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let header = sender.header();
        let headers: Vec<_> = header.iter().map(|it| ("authorization", it.as_str())).collect();
        self.client.post(&url, &headers, form).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_at(self.address, path, &[])
    }

    /// Asks for something with a header of one's own.
    pub(crate) fn get_as(&self, path: &str, authorization: &str) -> Answer {
        self.get_at(self.address, path, &[("authorization", authorization)])
    }

    pub(crate) fn get_ops(&self, path: &str) -> Answer {
        self.get_at(self.ops, path, &[])
    }

    fn get_at(&self, address: SocketAddr, path: &str, headers: &Headers<'_>) -> Answer {
        self.client.get(&format!("http://{address}{path}"), headers).unwrap()
    }

    /// Says who `alice` is, as JSON.
    pub(crate) fn describe_alice(&self, profile: &str) {
        let alice = self.user("alice");
        let set = self.store.set_user_profile(alice.id, (&alice.profile, profile), self.now());
        assert_eq!(self.block_on(set).unwrap(), Outcome::Done);
    }

    pub(crate) fn token(&self, sender: As<'_>, form: &[(&str, &str)]) -> Answer {
        self.post("/oauth2/token", sender, form)
    }

    pub(crate) fn log_in(&self, sender: As<'_>, form: &[(&str, &str)]) -> Answer {
        let grant = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        self.token(sender, &[&grant, form].concat())
    }

    /// Tokens of `alice` for `demo`.
    pub(crate) fn tokens(&self) -> Tokens {
        self.log_in(As::Client("demo"), &[]).ok().into()
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.refresh_as(As::Client("demo"), token, &[])
    }

    pub(crate) fn refresh_as(&self, sender: As<'_>, token: &str, form: &[(&str, &str)]) -> Answer {
        let grant = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(sender, &[&grant, form].concat())
    }

    pub(crate) fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/oauth2/introspect", As::Client("demo"), &[("token", token)]);
        answer.ok().json()["active"].as_bool().unwrap()
    }

    /// One counter or gauge of `/metrics`, by its name with labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get_ops("/metrics").ok().body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Sends bytes as they are, and reads the answer to them.
    #[track_caller]
    pub(crate) fn exchange(&self, request: impl AsRef<[u8]>) -> Answer {
        http::exchange(self.address, request)
    }

    /// Sends bytes as they are, and reads until the server closes or falls silent.
    pub(crate) fn send_raw(&self, bytes: impl AsRef<[u8]>) -> String {
        http::send(self.address, bytes)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        http::connect(self.address)
    }
}

/// Waits for what a server does by itself within a second; longer on a machine that is busy with
/// something else.
pub(crate) fn eventually(holds: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never happens");
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The same signing keys in every store: drawing one for RSA takes longer than most tests.
pub(crate) async fn seed_signing_keys(store: &Store, keys: &RootKeys, now: Timestamp) {
    static DRAWN: OnceLock<Vec<(SigningAlg, NewSigningKey)>> = OnceLock::new();
    if !store.list_signing_keys().await.unwrap().is_empty() {
        return;
    }
    let drawn = DRAWN
        .get_or_init(|| SigningAlg::ALL.map(|alg| (alg, NewSigningKey::draw(alg).unwrap())).into());
    for (_, fresh) in drawn {
        let plan = Plan { signs_from: now, others_until: now };
        assert_eq!(signing::make(store, keys, fresh, 0, plan, now).await.unwrap(), Outcome::Done);
    }
}

fn config(dir: &Path, settings: &str) -> Config {
    // A table can stand in a file once, so settings of the same table go in as variables would.
    let sources = Sources::from_toml(&dir.join("remint.toml"), SETTINGS).unwrap();
    let more = settings.split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (remint_server::config::variable(name), value.to_owned())
    });
    Config::resolve(&sources.with_variables(more)).unwrap()
}

fn listen(app: &Arc<App>, router: axum::Router, stop: watch::Receiver<bool>) -> SocketAddr {
    let listeners = serve::bind(&[([127, 0, 0, 1], 0).into()]).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let stopped = async move {
        let mut stop = stop;
        let _ = stop.wait_for(|is| *is).await;
    };
    tokio::spawn(serve::run(Arc::clone(app), router, listeners, None, stopped));
    address
}
