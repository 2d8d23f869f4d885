//! Requests as large as they may be, and larger.

use super::{By, Came, FORM, SESSION, ask, came, known, site};
use crate::site::PASSWORD;
use crate::visitor::{Callback, hidden, is_consent, is_sign_in, request};

/// The longest request that waits for a person.
const LONGEST: usize = 8 * 1024;

/// A request of exactly so many bytes.
fn of_length(length: usize) -> String {
    let query = format!("{}&padding=", request(&[("state", &"s".repeat(2_000))]));
    let missing = length - query.len();
    format!("{query}{}", "p".repeat(missing))
}

#[test]
fn the_longest_request_goes_through_all_pages_beside_the_cookies_of_others() {
    for by in super::BOTH {
        let site = site();
        let mut visitor = site.visitor();
        visitor.set_cookie("analytics", &"c".repeat(3 * 1024));
        let page = ask(&mut visitor, by, &of_length(LONGEST));
        assert!(is_sign_in(&page), "{page:?}");
        let flow = hidden(&page, "flow");
        assert!((10_000..12_000).contains(&flow.len()), "{}", flow.len());
        let page = visitor.sign_in(&page, "alice", PASSWORD);
        assert!(is_consent(&page), "{page:?}");
        let callback = Callback::of(&visitor.decide(&page, "allow"));
        assert_eq!(callback.value("state").len(), 2_000);
    }
}

#[test]
fn a_longer_request_is_an_error_page_and_the_next_one_works() {
    let site = site();
    let mut visitor = site.visitor();
    for by in super::BOTH {
        let page = ask(&mut visitor, by, &of_length(LONGEST + 1));
        assert_eq!(came(&page), Came::Page(400), "{page:?}");
        let page = ask(&mut visitor, by, &request(&[]));
        assert!(is_sign_in(&page));
    }
    // What fills a body and more.
    let page = ask(&mut visitor, By::Post, &of_length(64 * 1024));
    assert_eq!(came(&page), Came::Page(400));
    let page = ask(&mut visitor, By::Post, &of_length(64 * 1024 + 1));
    assert_eq!(came(&page), Came::Page(400));
}

#[test]
fn a_head_that_is_too_large_is_told_so_and_nothing_breaks() {
    let site = site();
    let mut visitor = site.visitor();
    visitor.set_cookie("tossed", &"c".repeat(20 * 1024));
    let answer = visitor.get("/login");
    assert!(matches!(answer.status, 400 | 431), "{answer:?}");
    assert!(is_sign_in(&site.visitor().get("/login")));
}

#[test]
fn many_cookies_and_long_ones_cost_nothing_but_reading() {
    let site = site();
    let mut visitor = known(&site);
    for at in 0..300 {
        visitor.set_cookie(&format!("c{at}"), &"x".repeat(20));
    }
    assert!(visitor.cookie(SESSION).is_some() && visitor.cookie(FORM).is_some());
    assert_eq!(visitor.get("/account").status, 200);
}

#[test]
fn a_user_name_and_a_password_of_any_length_get_the_same_answer() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.authorize(&[]);
    let long = "ü".repeat(10_000);
    for (username, password) in [(&*long, "x"), ("", ""), ("nobody", &long)] {
        let answer = visitor.sign_in(&page, username, password);
        assert!(is_sign_in(&answer) && answer.status == 400, "{answer:?}");
        assert!(answer.body.len() < 20_000, "{}", answer.body.len());
    }
}

#[test]
fn more_parameters_than_any_request_has_are_an_error_page() {
    let site = site();
    let mut visitor = site.visitor();
    let many = (0..100).fold(request(&[]), |query, at| format!("{query}&p{at}=1"));
    for by in super::BOTH {
        assert_eq!(came(&ask(&mut visitor, by, &many)), Came::Page(400));
    }
}
