//! The authorization code flow over several nodes: each step meets another one, one code is redeemed at
//! all of them at once, and the node that redeems is killed when it has written and not yet answered.

use remint_testbed::http::Answer;
use remint_testbed::pkce::{CHALLENGE, VERIFIER};
use remint_testbed::{Cluster, Database, Proxy, postgres};

use crate::browser::{Browser, parameter};
use crate::burst::present_at_once;
use crate::node::{Node, client};
use crate::nodes::{Nodes, through};
use crate::support::{CALLBACK, CREATE_WEB, SECRET, SIGNED_OUT, eventually};

/// How many codes are redeemed at all nodes at once.
const ROUNDS: usize = 150;

/// Three nodes with the client `web`, whose codes alice allows.
fn running(store_url: &str, grace: &str) -> Nodes {
    // A machine that has its hands full is no fault of these tests.
    let settings = [
        ("tokens.grace_period", grace),
        ("store.connect_timeout", "30s"),
        ("store.statement_timeout", "30s"),
    ];
    let nodes = Nodes::running(3, store_url, &settings);
    nodes.at(0).run_with(&CREATE_WEB, SECRET).ok();
    nodes
}

fn authorize(scope: &str) -> String {
    format!(
        "/oauth2/authorize?response_type=code&client_id=web&redirect_uri={CALLBACK}&scope={scope}\
         &state=xyz&code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

/// A browser at which alice has signed in and allowed everything.
fn known(node: &Node) -> Browser {
    let mut browser = Browser::new();
    let asked = browser.get(node, &authorize("openid%20a"));
    let page = browser.follow(node, asked);
    let signed_in = browser.sign_in(node, &page);
    let page = browser.follow(node, signed_in);
    let allowed = browser.allow(node, &page);
    parameter(&browser.follow(node, allowed), "code");
    browser
}

/// One more code, without any question.
fn code(browser: &mut Browser, node: &Node) -> String {
    let asked = browser.get(node, &authorize("a"));
    parameter(&browser.follow(node, asked), "code")
}

fn post(node: &Node, path: &str, form: &[(&str, &str)]) -> Result<Answer, String> {
    node.send_as(&client(), &format!("web:{SECRET}"), (path, form))
}

fn try_redeem(node: &Node, code: &str) -> Result<Answer, String> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    post(node, "/oauth2/token", &form)
}

fn redeem(node: &Node, code: &str) -> Answer {
    try_redeem(node, code).unwrap()
}

fn refresh(node: &Node, token: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    post(node, "/oauth2/token", &form).unwrap()
}

fn is_active(node: &Node, token: &str) -> bool {
    let answer = post(node, "/oauth2/introspect", &[("token", token)]).unwrap().ok();
    answer.json()["active"].as_bool().unwrap()
}

fn userinfo(node: &Node, token: &str) -> Answer {
    let headers = [("authorization", &*format!("Bearer {token}"))];
    client().get(&format!("{}/oauth2/userinfo", node.url()), &headers).unwrap()
}

/// How many families there are, and how many of them ended.
fn families(database: &Database) -> (usize, usize) {
    let row = database.execute("SELECT count(*), count(revoked_at) FROM families");
    let (all, ended) = row.split_once('|').unwrap();
    (all.parse().unwrap(), ended.parse().unwrap())
}

#[test]
fn each_step_of_the_code_flow_may_meet_another_node() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = running(&database.url(), "0s");
    let [one, two, three] = [0, 1, 2].map(|number| nodes.at(number));

    let mut browser = Browser::new();
    let asked = browser.get(one, &authorize("openid%20a"));
    let page = browser.follow(one, asked);
    assert!(page.body.contains("id=\"login-submit\""), "{page:?}");
    let signed_in = browser.sign_in(one, &page);
    let page = browser.follow(two, signed_in);
    assert!(page.body.contains("id=\"consent-allow\""), "{page:?}");
    let allowed = browser.allow(two, &page);
    let back = browser.follow(two, allowed);
    assert!(back.location().is_some_and(|to| to.starts_with(CALLBACK)), "{back:?}");
    assert_eq!(parameter(&back, "state"), "xyz");
    assert_eq!(families(&database), (0, 0), "nothing is written before the redemption");

    let tokens = redeem(three, &parameter(&back, "code")).ok();
    let renewed = refresh(one, &tokens.text("refresh_token")).ok();
    let (access, token) = (renewed.text("access_token"), renewed.text("refresh_token"));
    let person = userinfo(two, &access).ok();
    assert!(nodes.iter().all(|node| is_active(node, &access)));
    assert!(!person.text("sub").is_empty(), "{person:?}");

    // Signed by the third node, read by the second.
    let hint = tokens.text("id_token");
    let path = format!("/oidc/logout?id_token_hint={hint}&post_logout_redirect_uri={SIGNED_OUT}");
    let signed_out = browser.get(two, &path);
    assert_eq!((signed_out.status, signed_out.location()), (303, Some(SIGNED_OUT)));
    for node in nodes.iter() {
        refresh(node, &token).invalid_grant();
        assert!(!is_active(node, &access));
        assert_eq!(userinfo(node, &access).status, 401);
        let asked = browser.get(node, &authorize("a"));
        let page = browser.follow(node, asked);
        assert!(page.body.contains("id=\"login-submit\""), "{page:?}");
    }
    assert_eq!(families(&database), (1, 1));
}

/// Presents one more code to all nodes at once.
fn redeem_everywhere(nodes: &Nodes, browser: &mut Browser) -> Vec<Answer> {
    let code = code(browser, nodes.any());
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    );
    present_at_once(nodes.iter(), &format!("web:{SECRET}"), &form)
}

#[test]
fn checklist_48_a_code_presented_to_all_nodes_at_once_begins_one_family_and_ends_it() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = running(&database.url(), "0s");
    let mut browser = known(nodes.at(0));
    for round in 1..=ROUNDS {
        let answers = redeem_everywhere(&nodes, &mut browser);
        let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
        assert_eq!((served.len(), refused.len()), (1, 2), "{answers:?}");
        refused.into_iter().for_each(Answer::invalid_grant);
        assert_eq!(families(&database), (round, round));
        if round % 10 == 0 {
            refresh(nodes.any(), &served[0].text("refresh_token")).invalid_grant();
        }
    }
    assert!(nodes.logged("code.reuse_detected") >= ROUNDS);
}

#[test]
fn within_grace_a_code_presented_to_all_nodes_at_once_begins_one_family_for_all() {
    let Some(cluster) = postgres() else { return };
    let database = cluster.create_database();
    let nodes = running(&database.url(), "60s");
    let mut browser = known(nodes.at(0));
    for round in 1..=ROUNDS / 3 {
        let answers = redeem_everywhere(&nodes, &mut browser);
        let tokens = answers.into_iter().map(|answer| answer.ok().text("refresh_token"));
        let mut tokens: Vec<_> = tokens.collect();
        tokens.dedup();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        assert_eq!(families(&database), (round, 0));
        refresh(nodes.any(), &tokens[0]).ok();
    }
}

/// While the gate is shut, whoever has inserted a family waits with its commit.
const GATE: &str = "\
    CREATE TABLE gate (shut BOOLEAN NOT NULL); INSERT INTO gate VALUES (false); \
    CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
      WHILE (SELECT shut FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NULL; \
    END $$; \
    CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON families DEFERRABLE INITIALLY DEFERRED \
      FOR EACH ROW EXECUTE FUNCTION wait_at_gate();";
const AT_THE_GATE: &str = "SELECT count(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event = 'PgSleep'";

/// Nodes whose way to the database can be held up, and a person who uses them.
struct World {
    database: Database,
    proxy: Proxy,
    nodes: Nodes,
    browser: Browser,
}

impl World {
    fn new(cluster: &Cluster, grace: &str) -> Self {
        let database = cluster.create_database();
        let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into());
        let nodes = running(&through(&proxy, &database), grace);
        database.execute(GATE);
        let browser = known(nodes.at(0));
        Self { database, proxy, nodes, browser }
    }

    fn code(&mut self) -> String {
        code(&mut self.browser, self.nodes.any())
    }

    /// Redeems a code at a node that is killed when the family is on disk, before it hears of that.
    fn lose_the_answer(&self, node: &Node, code: &str) {
        let (before, _) = families(&self.database);
        self.database.execute("UPDATE gate SET shut = true");
        std::thread::scope(|scope| {
            let lost = scope.spawn(|| try_redeem(node, code));
            eventually("it commits", || self.database.execute(AT_THE_GATE) == "1");
            self.proxy.freeze(true);
            self.database.execute("UPDATE gate SET shut = false");
            eventually("it is written", || families(&self.database).0 == before + 1);
            node.kill();
            lost.join().unwrap().expect_err("an answer that nobody has sent");
        });
        self.proxy.freeze(false);
    }
}

#[test]
fn within_grace_a_client_whose_answer_died_with_a_node_gets_its_tokens_at_another() {
    let Some(cluster) = postgres() else { return };
    let mut world = World::new(cluster, "10m");
    for number in 0..3 {
        let [code, others] = [world.code(), world.code()];
        let nodes = &world.nodes;
        let [dies, next, last] = [0, 1, 2].map(|more| nodes.at((number + more) % 3));
        let others = redeem(next, &others).ok().text("refresh_token");
        world.lose_the_answer(dies, &code);
        let [first, second] =
            [next, last].map(|node| redeem(node, &code).ok().text("refresh_token"));
        assert_eq!(first, second);
        refresh(last, &first).ok();
        refresh(last, &others).ok();
        dies.start();
        assert_eq!(families(&world.database), (2 * (number + 1), 0));
    }
    assert_eq!(world.nodes.logged("code.retried"), 6);
}

#[test]
fn checklist_48_a_second_try_after_a_node_died_with_the_answer_ends_its_own_family_alone() {
    let Some(cluster) = postgres() else { return };
    let mut world = World::new(cluster, "0s");
    for number in 0..3 {
        let [code, others] = [world.code(), world.code()];
        let nodes = &world.nodes;
        let [dies, next, last] = [0, 1, 2].map(|more| nodes.at((number + more) % 3));
        let others = redeem(next, &others).ok().text("refresh_token");
        world.lose_the_answer(dies, &code);
        redeem(next, &code).invalid_grant();
        redeem(last, &code).invalid_grant();
        refresh(last, &others).ok();
        dies.start();
        assert_eq!(families(&world.database), (2 * (number + 1), number + 1));
    }
    assert!(world.nodes.logged("code.reuse_detected") >= 3);
}
