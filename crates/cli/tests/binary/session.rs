//! `remint session` and `remint token explain`.

use crate::home::{Answer, Home, eventually};

#[test]
fn sessions_are_listed_and_ended_one_by_one() {
    let home = Home::furnished();
    let server = home.serve();
    let tokens: Vec<_> = (0..3).map(|_| server.log_in().ok()).collect();
    let all = home.json(&["session", "list", "--user", "alice"]);
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3);
    for (member, value) in [("user", "alice"), ("client", "shop"), ("state", "live")] {
        assert_eq!(all[0][member], value, "{}", all[0]);
    }
    let one = all[0]["session"].as_str().unwrap();
    home.run(&["session", "revoke", "--session", one]).ok();
    let refused = || {
        let is_refused = |answer: &&Answer| !server.is_active(&answer.text("access_token"));
        tokens.iter().filter(is_refused).count()
    };
    eventually("one session is over", || refused() == 1);
    assert_eq!(home.json(&["session", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(home.json(&["session", "list", "--all"]).as_array().unwrap().len(), 3);
    home.run(&["session", "revoke", "--client", "shop"]).ok();
    eventually("all sessions of the client are over", || refused() == 3);
    assert!(home.run(&["session", "list"]).ok().stdout.lines().count() == 1, "only the heading");
}

#[test]
fn all_sessions_of_a_user_or_of_everyone_end_at_once() {
    for which in [["--user", "alice"].as_slice(), &["--all"]] {
        let home = Home::furnished();
        let server = home.serve();
        let tokens = server.log_in().ok();
        home.run(&[&["session", "revoke"], which].concat()).ok();
        eventually("over", || !server.is_active(&tokens.text("access_token")));
        assert_eq!(server.refresh(&tokens.text("refresh_token")).status, 400);
        server.log_in().ok();
    }
}

#[test]
fn a_wrong_session_id_is_told_apart_from_one_that_is_gone() {
    let home = Home::furnished();
    let error = home.run(&["session", "revoke", "--session", "ses_x"]).failed();
    assert!(error.contains("not a session id of this server"), "{error}");
    assert_eq!(home.run(&["session", "revoke"]).status.code(), Some(2));
}

fn explain(home: &Home, token: &str) -> serde_json::Value {
    home.run_with(&["token", "explain", "-", "--json"], token).ok().json()
}

#[test]
fn a_token_is_explained_without_being_used() {
    let home = Home::furnished();
    let server = home.serve();
    let first = server.log_in().ok().text("refresh_token");
    for _ in 0..2 {
        let explained = explain(&home, &first);
        assert_eq!(explained["row"], "current");
        assert_eq!((&explained["user"], &explained["client"]), (&"alice".into(), &"shop".into()));
        assert_eq!(explained["token_generation"], 0);
    }
    let next = server.refresh(&first).ok().text("refresh_token");
    let explained = explain(&home, &first);
    assert_eq!(
        (&explained["row"], &explained["cause"]),
        (&"reuse".into(), &"refresh_reused".into())
    );
    assert_eq!(explain(&home, &next)["row"], "current", "looking ends nothing");
    home.run(&["client", "update", "shop", "--grace-period", "10m"]).ok();
    assert_eq!(explain(&home, &first)["row"], "retry");
    home.run(&["client", "update", "shop", "--renew-refresh-token", "false"]).ok();
    assert_eq!(explain(&home, &next)["row"], "kept");
    home.run(&["client", "update", "shop", "--enabled", "false"]).ok();
    let would = explain(&home, &next)["would"].clone();
    assert!(would.as_str().unwrap().contains("its client is disabled"), "{would}");
    home.run(&["session", "revoke", "--user", "alice"]).ok();
    assert_eq!(explain(&home, &next)["row"], "dead");
    assert_eq!(explain(&home, "rmrt_nonsense")["row"], "garbage");
    let text = home.run(&["token", "explain", &next]).ok().stdout;
    assert!(text.contains("refresh_user_ended"), "{text}");
}
