//! The refresh token grant: the cases of the decision table, over HTTP.

use std::time::Duration;

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client::{AuthMethod, GrantType};
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::policy::OnReuse;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::SecretHash;
use remint_protocol::token::{self, RefreshToken};
use remint_store::Outcome;

use crate::site::{As, PASSWORD, Site, Tokens};

const DEMO: As<'_> = As::Client("demo");
const DAY: i64 = 86_400;
const DEAD: &str = "The refresh token is not valid.";

fn the_family(site: &Site) -> Family {
    let mut all = site.families();
    assert_eq!(all.len(), 1, "one row per session");
    all.remove(0).family
}

fn with_grace(secs: u64) -> Site {
    Site::with(&format!("tokens.grace_period={secs}s"))
}

#[test]
fn each_refresh_gives_a_new_token_with_a_new_expiry_and_the_previous_one_is_unusable() {
    let site = Site::new();
    let mut tokens = site.tokens();
    for generation in 1..=5 {
        site.wait(DAY - 1);
        let next: Tokens = site.refresh(&tokens.refresh).ok().into();
        assert_ne!(next.refresh, tokens.refresh);
        assert!(site.is_active(&next.access) && site.is_active(&next.refresh));
        let family = the_family(&site);
        assert_eq!(family.generation, generation);
        assert_eq!(family.expires_at, site.now().after(Duration::from_hours(24)));
        assert!(!site.is_active(&tokens.refresh));
        tokens = next;
    }
}

#[test]
fn without_renewal_the_same_token_comes_back_and_nothing_is_written_until_it_expires() {
    let site = Site::with("tokens.renew_refresh_token=false");
    let first = site.tokens();
    let before = the_family(&site);
    let writes = site.metric("remint_store_writes_total");
    for _ in 0..3 {
        site.wait(DAY / 4);
        let again: Tokens = site.refresh(&first.refresh).ok().into();
        assert_eq!(again.refresh, first.refresh);
        assert_ne!(again.access, first.access);
        assert!(site.is_active(&again.access));
    }
    assert_eq!(the_family(&site), before);
    assert!((site.metric("remint_store_writes_total") - writes).abs() < 0.5);
    site.wait(DAY / 4);
    let expired = site.refresh(&first.refresh);
    expired.expect(400, "invalid_grant");
    assert_eq!(expired.text("error_description"), "Refresh token is expired.");
}

#[test]
fn an_expired_refresh_token_says_so() {
    let site = Site::new();
    let tokens = site.tokens();
    site.wait(DAY);
    let expired = site.refresh(&tokens.refresh);
    expired.expect(400, "invalid_grant");
    assert_eq!(expired.text("error_description"), "Refresh token is expired.");
    assert_eq!(the_family(&site).revoked, None, "nothing is written");
}

#[test]
fn checklist_61_a_session_ends_when_idle_and_at_its_absolute_lifetime() {
    let site = Site::with("tokens.refresh_token_max_lifetime=30h");
    let mut tokens = site.tokens();
    site.wait(20 * 3600);
    tokens = site.refresh(&tokens.refresh).ok().into();
    site.wait(10 * 3600 - 1);
    let last = site.refresh(&tokens.refresh).ok();
    assert_eq!(last.json()["expires_in"], 1, "no access token outlives the session");
    site.wait(1);
    site.refresh(&last.text("refresh_token")).expect(400, "invalid_grant");
}

#[test]
fn without_extension_a_renewed_token_inherits_the_expiry() {
    let site = Site::with("tokens.extend_on_renewal=false");
    let first = site.tokens();
    site.wait(DAY - 10);
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    assert_ne!(next.refresh, first.refresh);
    site.wait(10);
    site.refresh(&next.refresh).expect(400, "invalid_grant");
}

#[test]
fn checklist_58_a_replayed_token_ends_the_family_with_its_access_tokens() {
    let site = Site::new();
    let stolen = site.tokens();
    let bystander = site.tokens();
    let honest: Tokens = site.refresh(&stolen.refresh).ok().into();
    let replay = site.refresh(&stolen.refresh);
    replay.expect(400, "invalid_grant");
    assert_eq!(replay.text("error_description"), DEAD);
    site.refresh(&honest.refresh).expect(400, "invalid_grant");
    for access in [&stolen.access, &honest.access] {
        assert!(!site.is_active(access));
    }
    site.refresh(&bystander.refresh).ok();
    assert!(site.is_active(&bystander.access), "the user's other sessions live on");
    assert!(site.metric("remint_refreshes_total{row=\"reuse\"}") > 0.5);
}

#[test]
fn with_on_reuse_deny_a_replay_is_refused_alone() {
    let site = Site::new();
    site.change("demo", |client| client.overrides.on_reuse = Some(OnReuse::Deny));
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    let before = the_family(&site);
    site.refresh(&first.refresh).expect(400, "invalid_grant");
    assert_eq!(the_family(&site), before);
    site.refresh(&next.refresh).ok();
}

#[test]
fn within_grace_a_retry_gets_the_same_successor() {
    let site = with_grace(60);
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    for _ in 0..3 {
        site.wait(15);
        let before = the_family(&site);
        let again: Tokens = site.refresh(&first.refresh).ok().into();
        assert_eq!(again.refresh, next.refresh);
        assert_ne!(again.access, next.access);
        assert_eq!(the_family(&site), before);
    }
    site.wait(15);
    site.refresh(&first.refresh).expect(400, "invalid_grant");
    site.refresh(&next.refresh).expect(400, "invalid_grant");
}

#[test]
fn the_successors_use_closes_the_grace_of_its_predecessor() {
    let site = with_grace(60);
    let first = site.tokens();
    let second: Tokens = site.refresh(&first.refresh).ok().into();
    let third: Tokens = site.refresh(&second.refresh).ok().into();
    assert_eq!(Tokens::from(site.refresh(&second.refresh).ok()).refresh, third.refresh);
    site.refresh(&first.refresh).expect(400, "invalid_grant");
    site.refresh(&third.refresh).expect(400, "invalid_grant");
}

#[test]
fn a_kept_token_closes_the_grace_of_its_predecessor_too() {
    let site = with_grace(60);
    let first = site.tokens();
    let second: Tokens = site.refresh(&first.refresh).ok().into();
    site.change("demo", |client| client.overrides.renew_refresh_token = Some(false));
    site.refresh(&second.refresh).ok();
    assert!(the_family(&site).confirmed);
    site.refresh(&first.refresh).expect(400, "invalid_grant");
}

#[test]
fn a_new_root_key_logs_nobody_out_and_a_retry_across_it_gets_the_same_bytes() {
    let site = with_grace(60);
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    let other = site.tokens();
    let site = site.restarted_with_a_new_key();
    assert_eq!(Tokens::from(site.refresh(&first.refresh).ok()).refresh, next.refresh);
    let newest: Tokens = site.refresh(&next.refresh).ok().into();
    assert!(site.is_active(&next.access) && site.is_active(&newest.access));
    let sealed_by_2 = site.families().iter().filter(|l| l.family.kid == 2).count();
    assert_eq!(sealed_by_2, 1, "each session moves to the new key at its next refresh");
    site.refresh(&newest.refresh).ok();
    site.refresh(&other.refresh).ok();
}

#[test]
fn a_generation_that_was_never_issued_ends_the_family() {
    let site = Site::new();
    let tokens = site.tokens();
    let demo = site.block_on(site.store.find_client("demo")).unwrap().unwrap();
    let opened = token::open_refresh(&site.keys, &tokens.refresh, &demo.id).unwrap();
    let ahead = RefreshToken { generation: 7, ..opened };
    let forged = token::seal_refresh(&site.keys, &ahead, &demo.id).unwrap();
    let refused = site.refresh(&forged);
    refused.expect(400, "invalid_grant");
    assert_eq!(refused.text("error_description"), DEAD);
    assert_eq!(the_family(&site).revoked.map(|r| r.1), Some(RevokeReason::Forgery));
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
}

#[test]
fn garbage_never_reaches_the_database() {
    let site = Site::new();
    let tokens = site.tokens();
    let mut damaged = tokens.refresh.clone();
    let last = damaged.pop().unwrap();
    damaged.push(if last == 'A' { 'B' } else { 'A' });
    for garbage in [damaged.as_str(), "x", "rmrt_", "rmrt_AQE", &"rmrt_A".repeat(2000)] {
        let refused = site.refresh(garbage);
        refused.expect(400, "invalid_grant");
        assert_eq!(refused.text("error_description"), DEAD);
    }
    assert!((site.metric("remint_refreshes_total{row=\"garbage\"}") - 5.0).abs() < 0.5);
    site.refresh(&tokens.refresh).ok();
}

#[test]
fn a_token_under_a_key_that_is_not_here_yet_is_to_be_tried_again() {
    let site = Site::new();
    let tokens = site.tokens();
    let demo = site.block_on(site.store.find_client("demo")).unwrap().unwrap();
    let opened = token::open_refresh(&site.keys, &tokens.refresh, &demo.id).unwrap();
    let roots: Vec<_> =
        [2, 200].map(|kid| (kid, remint_protocol::keyring::RootKey([kid; 32]))).into();
    let elsewhere = remint_protocol::keyring::Keyring::new(&roots, 2).unwrap();
    let sealed_under = |kid| {
        let token = RefreshToken { kid, ..opened.clone() };
        token::seal_refresh(&elsewhere, &token, &demo.id).unwrap()
    };
    // The store lists it: another node has it.
    let fingerprint = remint_protocol::keyring::RootKey([2; 32]).fingerprint().unwrap();
    site.block_on(site.store.add_key(2, fingerprint, site.now())).unwrap();
    crate::site::eventually(|| site.app.keys().lacks == [2]);
    let soon = site.refresh(&sealed_under(2));
    soon.expect(503, "temporarily_unavailable");
    assert_eq!(soon.header("retry-after"), Some("1"));
    site.refresh(&sealed_under(200)).expect(400, "invalid_grant");
}

#[test]
fn checklist_59_a_refresh_token_is_of_use_to_its_own_client_only() {
    let site = Site::new();
    site.register("other", |_| {});
    site.register_public("spa");
    let tokens = site.tokens();
    let before = the_family(&site);
    site.refresh_as(As::Client("other"), &tokens.refresh, &[]).expect(400, "invalid_grant");
    let spa = site.refresh_as(As::Nobody, &tokens.refresh, &[("client_id", "spa")]);
    spa.expect(400, "invalid_grant");
    let unproven = site.refresh_as(As::Nobody, &tokens.refresh, &[("client_id", "demo")]);
    unproven.expect(401, "invalid_client");
    assert_eq!(the_family(&site), before, "a stranger can not end a session either");
    site.refresh(&tokens.refresh).ok();
}

#[test]
fn checklist_60_a_narrowed_access_token_leaves_the_grant_as_it_is() {
    let site = Site::new();
    let mut tokens: Tokens = site.log_in(DEMO, &[("scope", "a b")]).ok().into();
    let narrowed = site.refresh_as(DEMO, &tokens.refresh, &[("scope", "a")]).ok();
    assert_eq!(narrowed.text("scope"), "a");
    tokens = narrowed.into();
    let before = the_family(&site);
    for wider in ["a b c", "c", "d"] {
        let refused = site.refresh_as(DEMO, &tokens.refresh, &[("scope", wider)]);
        refused.expect(400, "invalid_scope");
    }
    assert_eq!(the_family(&site), before, "a refused request uses nothing up");
    assert_eq!(site.refresh(&tokens.refresh).ok().text("scope"), "a b");
}

#[test]
fn checklist_58_a_used_up_token_is_reuse_whatever_it_asks_for() {
    for ask in [("scope", "a z"), ("resource", "https://z")] {
        let site = Site::new();
        let first = site.tokens();
        let second: Tokens = site.refresh(&first.refresh).ok().into();
        let refused = site.refresh_as(DEMO, &first.refresh, &[ask]);
        refused.expect(400, "invalid_grant");
        assert_eq!(refused.text("error_description"), DEAD);
        assert!(site.metric("remint_refreshes_total{row=\"reuse\"}") > 0.5);
        site.refresh(&second.refresh).expect(400, "invalid_grant");
    }
}

#[test]
fn within_its_grace_a_token_that_asks_for_too_much_is_denied_and_changes_nothing() {
    let site = Site::with("tokens.grace_period=60s");
    let first = site.tokens();
    let second: Tokens = site.refresh(&first.refresh).ok().into();
    let before = the_family(&site);
    for ask in [("scope", "a z"), ("resource", "https://z")] {
        let code = if ask.0 == "scope" { "invalid_scope" } else { "invalid_target" };
        site.refresh_as(DEMO, &first.refresh, &[ask]).expect(400, code);
        site.refresh_as(DEMO, &second.refresh, &[ask]).expect(400, code);
    }
    assert_eq!(the_family(&site), before);
    assert_eq!(site.refresh(&first.refresh).ok().text("refresh_token"), second.refresh);
    site.refresh(&second.refresh).ok();
}

#[test]
fn what_is_malformed_is_told_alike_for_every_token() {
    let site = Site::new();
    let first = site.tokens();
    let second: Tokens = site.refresh(&first.refresh).ok().into();
    for token in [&*first.refresh, &second.refresh, "rmrt_nonsense"] {
        site.refresh_as(DEMO, token, &[("scope", "a\"b")]).expect(400, "invalid_scope");
        site.refresh_as(DEMO, token, &[("resource", "nowhere")]).expect(400, "invalid_target");
    }
    site.refresh(&second.refresh).ok();
}

#[test]
fn checklist_60_what_a_client_has_lost_its_sessions_have_lost() {
    let site = Site::new();
    site.change("demo", |client| {
        client.resources = Resources::parse(["https://a", "https://b"]).unwrap();
    });
    let tokens = site.tokens();
    site.change("demo", |client| {
        client.scope = Scope::parse("a c d").unwrap();
        client.resources = Resources::parse(["https://a", "https://d"]).unwrap();
    });
    let b = [("resource", "https://b")];
    site.refresh_as(DEMO, &tokens.refresh, &b).expect(400, "invalid_target");
    let refreshed = site.refresh(&tokens.refresh).ok();
    assert_eq!(refreshed.text("scope"), "a c");
}

#[test]
fn checklist_60_a_client_that_lost_all_of_a_sessions_scope_is_told_so() {
    let site = Site::new();
    let tokens = site.tokens();
    site.change("demo", |client| client.scope = Scope::parse("z").unwrap());
    let before = the_family(&site);
    site.refresh(&tokens.refresh).expect(400, "invalid_scope");
    site.refresh_as(DEMO, &tokens.refresh, &[("scope", "a")]).expect(400, "invalid_scope");
    assert_eq!(the_family(&site), before);
    site.change("demo", |client| client.scope = Scope::parse("a z").unwrap());
    assert_eq!(site.refresh(&tokens.refresh).ok().text("scope"), "a");
}

#[test]
fn checklist_61_password_change_and_sign_out_end_the_sessions_of_the_user() {
    let site = Site::new();
    let tokens = site.tokens();
    site.wait(1);
    let alice = site.user("alice");
    let hash = alice.password_hash.clone();
    site.block_on(site.store.set_password(alice.id, &hash, site.now())).unwrap();
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
    assert!(!site.is_active(&tokens.access));

    site.wait(1);
    let tokens = site.tokens();
    site.wait(1);
    site.block_on(site.store.end_user_sessions(alice.id, site.now())).unwrap();
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
}

#[test]
fn checklist_61_a_user_who_is_made_again_under_the_same_name_is_another_one() {
    let site = Site::new();
    let tokens = site.tokens();
    site.block_on(site.store.delete_user(site.user("alice").id)).unwrap();
    site.create_user("alice");
    let refused = site.refresh(&tokens.refresh);
    refused.expect(400, "invalid_grant");
    assert_eq!(refused.text("error_description"), DEAD);
    assert!(!site.is_active(&tokens.access));
}

#[test]
fn checklist_61_disabled_users_and_clients_get_nothing_until_they_are_enabled_again() {
    let site = Site::new();
    let tokens = site.tokens();
    let id = site.user("alice").id;
    site.block_on(site.store.set_user_enabled(id, false, site.now())).unwrap();
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
    assert!(!site.is_active(&tokens.access));
    site.block_on(site.store.set_user_enabled(id, true, site.now())).unwrap();

    site.change("demo", |client| client.enabled = false);
    site.refresh(&tokens.refresh).expect(401, "invalid_client");
    site.change("demo", |client| client.enabled = true);
    site.refresh(&tokens.refresh).ok();
}

#[test]
fn checklist_62_a_client_that_lost_the_grant_can_not_refresh() {
    let site = Site::new();
    let tokens = site.tokens();
    site.change("demo", |client| client.grants = vec![GrantType::Password]);
    let before = the_family(&site);
    site.refresh(&tokens.refresh).expect(400, "unauthorized_client");
    assert_eq!(the_family(&site), before);
}

#[test]
fn checklist_58_public_clients_rotate_even_where_renewal_is_off() {
    let site = Site::with("tokens.renew_refresh_token=false");
    site.register_public("spa");
    let spa = [("client_id", "spa")];
    let first: Tokens = site.log_in(As::Nobody, &spa).ok().into();
    let next: Tokens = site.refresh_as(As::Nobody, &first.refresh, &spa).ok().into();
    assert_ne!(first.refresh, next.refresh);
    site.refresh_as(As::Nobody, &first.refresh, &spa).expect(400, "invalid_grant");
    site.refresh_as(As::Nobody, &next.refresh, &spa).expect(400, "invalid_grant");
}

#[test]
fn a_renewal_can_end_the_access_tokens_before_it() {
    let site = Site::with("tokens.revoke_access_token_on_refresh=true");
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    assert!(!site.is_active(&first.access) && site.is_active(&next.access));

    let site = Site::new();
    let first = site.tokens();
    site.refresh(&first.refresh).ok();
    assert!(site.is_active(&first.access), "by default they live on");
}

#[test]
fn all_dead_tokens_get_one_and_the_same_answer() {
    let site = Site::new();
    site.register("other", |_| {});
    let used = site.tokens().refresh;
    site.refresh(&used).ok();
    let revoked = site.tokens().refresh;
    site.post("/oauth2/revoke", DEMO, &[("token", &revoked)]).ok();
    let foreign = site.log_in(As::Client("other"), &[]).ok().text("refresh_token");
    let answers: Vec<_> = [used.as_str(), &revoked, &foreign, "garbage"]
        .into_iter()
        .map(|token| site.refresh(token))
        .map(|answer| (answer.status, answer.body))
        .collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[test]
fn the_missing_parameter_is_named() {
    let site = Site::new();
    let missing = site.token(DEMO, &[("grant_type", "refresh_token")]);
    missing.expect(400, "invalid_request");
    assert_eq!(missing.text("error_description"), "The parameter refresh_token is missing.");
}

#[test]
fn a_client_may_move_from_one_registered_method_to_another_between_refreshes() {
    let site = Site::new();
    let tokens = site.tokens();
    let post = [("client_id", "demo"), ("client_secret", crate::site::SECRET)];
    let next: Tokens = site.refresh_as(As::Nobody, &tokens.refresh, &post).ok().into();
    site.change("demo", |client| client.auth_methods = vec![AuthMethod::ClientSecretBasic]);
    let refused = site.refresh_as(As::Nobody, &next.refresh, &post);
    refused.expect(401, "invalid_client");
    site.refresh(&next.refresh).ok();
}

#[test]
fn the_sweep_removes_sessions_that_are_over_and_no_others() {
    let site = Site::new();
    let over = site.tokens();
    site.wait(DAY / 2);
    let living: Tokens = site.log_in(DEMO, &[]).ok().into();
    // An access token may outlive its refresh token by an hour, and clocks differ by another.
    site.wait(DAY / 2 + 2 * 3600);
    let site = site.restarted();
    site.let_the_sweep_end();
    assert_eq!(site.families().len(), 2, "just about needed");
    site.wait(1);
    let site = site.restarted();
    site.let_the_sweep_end();
    assert_eq!(site.families().len(), 1);
    assert!((site.metric("remint_families_live") - 1.0).abs() < 0.5);
    site.refresh(&over.refresh).expect(400, "invalid_grant");
    site.refresh(&living.refresh).ok();
}

/// Signs alice in at a browser for so many seconds.
fn sign_in_for(site: &Site, number: u8, secs: u64) {
    let session = BrowserSession {
        id: BrowserSessionId([number; 16]),
        secret_hash: SecretHash([number; 32]),
        user_id: site.user("alice").id,
        auth_time: site.now(),
        proven: site.user("alice").ends,
        expires_at: site.now().after(Duration::from_secs(secs)),
        amr: "pwd".into(),
        created_at: site.now(),
        seen_at: site.now(),
        user_agent: String::new(),
        source: String::new(),
        ended_at: None,
    };
    let inserted = site.block_on(site.store.insert_browser_session(&session, None)).unwrap();
    assert_eq!(inserted, Outcome::Done);
}

#[test]
fn the_sweep_removes_browsers_whose_session_is_over_and_no_others() {
    let site = Site::new();
    site.tokens();
    sign_in_for(&site, 1, 3600);
    sign_in_for(&site, 2, 7200);
    let left = |site: &Site| {
        let alice = site.user("alice").id;
        let listed = site.block_on(site.store.list_browser_sessions(alice, None, 10)).unwrap();
        listed.iter().map(|session| session.id.0[0]).collect::<Vec<_>>()
    };
    // Clocks differ by an hour.
    site.wait(2 * 3600);
    let site = site.restarted();
    site.let_the_sweep_end();
    assert_eq!(left(&site), [1, 2], "just about over");
    site.wait(1);
    let site = site.restarted();
    site.let_the_sweep_end();
    assert_eq!(left(&site), [2]);
}

#[test]
fn sessions_survive_a_restart() {
    let site = Site::new();
    let tokens = site.tokens();
    let used: Tokens = site.refresh(&tokens.refresh).ok().into();
    let site = site.restarted();
    let next: Tokens = site.refresh(&used.refresh).ok().into();
    assert!(site.is_active(&next.access) && site.is_active(&tokens.access));
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
    site.refresh(&next.refresh).expect(400, "invalid_grant");
    let again = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    site.token(DEMO, &again).ok();
}

/// A clock that stands still, as that of a machine whose time is set back forever by its hypervisor.
#[test]
fn a_clock_that_stands_still_gives_no_token_twice_and_ends_no_session() {
    let site = Site::with("tokens.access_token_lifetime=1h");
    let mut seen = std::collections::HashSet::new();
    let mut tokens = site.tokens();
    for _ in 0..50 {
        let again: Tokens = site.refresh(&tokens.refresh).ok().into();
        assert!(seen.insert(again.refresh.clone()) && seen.insert(again.access.clone()));
        assert!(site.is_active(&again.access));
        tokens = again;
    }
    // A used-up token of the same millisecond ends the session, as at any other time.
    let first = site.tokens();
    let second: Tokens = site.refresh(&first.refresh).ok().into();
    site.refresh(&first.refresh).expect(400, "invalid_grant");
    site.refresh(&second.refresh).expect(400, "invalid_grant");
    // What ends everything ends what began in the same millisecond; whoever signs in again is in.
    let user = site.user("alice");
    site.block_on(site.store.end_user_sessions(user.id, site.now())).unwrap();
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
    let again = site.tokens();
    site.refresh(&again.refresh).ok();
    assert!(site.get("/health/ready").body.contains("ready"));
}
