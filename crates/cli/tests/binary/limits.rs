//! What an operator reads of guesses and floods, and how they limit requests.

use crate::home::{Home, SECRET};

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[test]
fn a_limit_of_requests_holds_from_the_configuration_on_and_is_told_of() {
    let home = Home::furnished();
    home.set("limits.token_requests", "\"30/1d\"");
    let server = home.serve();
    let ask = |credentials: &str| {
        server.try_post_as(credentials, "/oauth2/token", &CREDENTIALS).unwrap().status
    };
    let wrong: Vec<_> = (0..25).map(|_| ask("shop:wrong")).collect();
    assert_eq!(wrong.iter().filter(|status| **status == 401).count(), 20, "{wrong:?}");
    let right = format!("shop:{SECRET}");
    let statuses: Vec<_> = (0..10).map(|_| ask(&right)).collect();
    assert_eq!(statuses[5..], [429; 5], "25 came before: {statuses:?}");
    server.stop();
    let log = home.log();
    for part in ["client.throttled", "client_id=shop", "too_many_requests", "endpoint=\"token\""] {
        assert!(log.contains(part), "{part} is not in the log:\n{log}");
    }
}

#[test]
fn a_sign_in_that_is_one_too_many_is_told_of_with_its_client() {
    let home = Home::furnished();
    home.set("limits.authorize_requests", "\"1/1d\"");
    let server = home.serve();
    let statuses = [(); 2].map(|()| server.get("/oauth2/authorize?client_id=shop").status);
    assert_eq!(statuses, [400, 429]);
    server.stop();
    let log = home.log();
    let line = log.lines().find(|line| line.contains("too_many_requests")).unwrap();
    assert!(
        line.contains("endpoint=\"authorize\"") && line.contains("client_id=\"shop\""),
        "{line}"
    );
}

#[test]
fn a_limit_that_is_none_is_refused_with_what_to_write() {
    let home = Home::new();
    home.set("limits.token_requests", "\"600\"");
    let error = home.run(&["config", "check"]).failed();
    assert!(error.contains("limits.token_requests") && error.contains("600/1m"), "{error}");
}
