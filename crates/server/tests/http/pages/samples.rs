//! Every page in every state, filled with one text or with what a person would see.

use std::time::Duration;

use remint_protocol::time::Timestamp;
use remint_protocol::user::PasswordUnfit;
use remint_server::browser::pages::account::{
    Account, Application, Done, PasswordProblem, Session,
};
use remint_server::browser::pages::consent::{Asker, Consent};
use remint_server::browser::pages::error::{ErrorPage, Fault, Parameter, Trouble};
use remint_server::browser::pages::form_post::FormPost;
use remint_server::browser::pages::sign_in::{Notice, SignIn};
use remint_server::browser::pages::sign_out::{Next, SignOut, SignedOut};
use remint_server::browser::pages::{Link, Page, Source};

/// A page and what to call it.
pub(crate) type Sample = (String, Box<dyn Page>);

/// What is put into the pages: everything is `hostile`, where that is given.
pub(crate) fn all(hostile: Option<&str>) -> Vec<Sample> {
    let fill = |plain: &str| hostile.unwrap_or(plain).to_owned();
    let mut all = sign_ins(&fill);
    all.extend(consents(&fill));
    all.extend(errors(&fill));
    all.extend(accounts(&fill));
    let sign_out = |client: Option<String>| SignOut {
        flow: fill("f1"),
        csrf: fill("c1"),
        username: fill("alice"),
        client,
        target: Source::of("https://notes.example.com/out"),
    };
    all.push(named("sign-out", sign_out(None)));
    all.push(named("sign-out-asked", sign_out(Some(fill("Acme Notes")))));
    all.push(named("signed-out", SignedOut::default()));
    let next = Next {
        url: format!("https://notes.example.com/?state={}", fill("s1")),
        client: fill("Acme Notes"),
    };
    let logout = format!("https://mail.example.com/logout?sid={}", fill("1"));
    let frames =
        vec![Link::of(&logout).unwrap(), Link::of("https://chat.example.org/out").unwrap()];
    all.push(named("signed-out-frames", SignedOut { frames, next: Some(next) }));
    let form = FormPost {
        redirect_uri: format!("https://notes.example.com/cb?x={}", fill("1")),
        fields: vec![(fill("code"), fill("rmcode_x")), ("state".into(), fill("s1"))],
        client: fill("Acme Notes"),
    };
    all.push(named("form-post", form));
    all
}

fn named(name: &str, page: impl Page + 'static) -> Sample {
    (name.to_owned(), Box::new(page))
}

fn sign_ins(fill: &impl Fn(&str) -> String) -> Vec<Sample> {
    let page = |notice, username: String| SignIn {
        flow: fill("f1"),
        csrf: fill("c1"),
        username,
        client: Some(fill("Acme Notes")),
        notice,
        target: Source::of("https://notes.example.com/cb"),
    };
    let wait = Notice::Wait(Duration::from_secs(90));
    vec![
        named("sign-in", page(None, String::new())),
        named("sign-in-account", SignIn { client: None, ..page(None, fill("alice")) }),
        named("sign-in-wrong", page(Some(Notice::WrongCredentials), fill("alice"))),
        named("sign-in-wait", page(Some(wait), fill("alice"))),
        named("sign-in-expired", page(Some(Notice::Expired), fill("alice"))),
        named("sign-in-ended", page(Some(Notice::SessionEnded), fill("alice"))),
        named("sign-in-again", page(Some(Notice::Again), fill("alice"))),
    ]
}

fn consents(fill: &impl Fn(&str) -> String) -> Vec<Sample> {
    let page = Consent {
        flow: fill("f1"),
        csrf: fill("c1"),
        client: Asker {
            name: fill("Acme Notes"),
            id: fill("acme-notes"),
            redirect_host: fill("notes.example.com"),
            website: Link::of(&format!("https://notes.example.com/?{}", fill("x"))),
            privacy: Link::of("https://notes.example.com/privacy"),
            terms: Link::of("https://notes.example.com/terms"),
            is_unproven: false,
        },
        username: fill("alice"),
        scopes: ["openid", "profile", "email", "address", "phone", "offline_access"]
            .map(str::to_owned)
            .into_iter()
            .chain([fill("notes.read")])
            .collect(),
        resources: vec![fill("https://api.example.com/notes")],
        lasts: Some(Duration::from_hours(30 * 24)),
        target: Source::of("https://notes.example.com/cb"),
    };
    let unproven = Consent {
        client: Asker {
            is_unproven: true,
            website: None,
            privacy: None,
            terms: None,
            redirect_host: fill("com.example.notes"),
            ..page.client.clone()
        },
        scopes: vec!["openid".into(), "email".into()],
        resources: Vec::new(),
        lasts: None,
        target: Source::of("com.example.notes:/cb"),
        ..page.clone()
    };
    vec![named("consent", page), named("consent-unproven", unproven)]
}

fn errors(fill: &impl Fn(&str) -> String) -> Vec<Sample> {
    let wait = Duration::from_secs(30);
    let faults = [
        ("missing", Parameter::ClientId, Fault::Missing),
        ("repeated", Parameter::State, Fault::Repeated),
        ("malformed", Parameter::MaxAge, Fault::Malformed),
        ("too-long", Parameter::Nonce, Fault::TooLong),
        ("unregistered", Parameter::RedirectUri, Fault::Unregistered),
        ("unsupported", Parameter::ResponseType, Fault::Unsupported),
        ("not-allowed", Parameter::Scope, Fault::NotAllowed),
    ];
    let troubles = [
        ("unreadable", Trouble::Unreadable),
        ("forbidden", Trouble::Forbidden),
        ("not-found", Trouble::NotFound),
        ("too-many", Trouble::TooMany(wait)),
        ("too-many-requests", Trouble::TooManyRequests(wait)),
        ("internal", Trouble::Internal),
        ("unavailable", Trouble::Unavailable(wait)),
    ];
    let faults = faults.map(|(name, parameter, fault)| (name, Trouble::Request(parameter, fault)));
    let all = faults.into_iter().chain(troubles);
    let request_id = fill("9e3779b97f4a7c15");
    all.map(|(name, trouble)| {
        named(&format!("error-{name}"), ErrorPage { trouble, request_id: request_id.clone() })
    })
    .collect()
}

fn accounts(fill: &impl Fn(&str) -> String) -> Vec<Sample> {
    let page = account(fill);
    let done = |done| Account { done: Some(done), ..page.clone() };
    let problem = |problem| Account { problem: Some(problem), ..page.clone() };
    let nothing = Account { applications: Vec::new(), least_length: 1, ..page.clone() };
    let wait = PasswordProblem::Wait(Duration::from_mins(2));
    vec![
        named("account-nothing", nothing),
        named("account-session-ended", done(Done::SessionEnded)),
        named("account-application-ended", done(Done::ApplicationEnded)),
        named("account-password-changed", done(Done::PasswordChanged)),
        named("account-password-wrong", problem(PasswordProblem::WrongCurrent)),
        named("account-password-wait", problem(wait)),
        named("account-password-short", problem(PasswordProblem::Unfit(PasswordUnfit::TooShort))),
        named("account-password-long", problem(PasswordProblem::Unfit(PasswordUnfit::TooLong))),
        named(
            "account-password-different",
            problem(PasswordProblem::Unfit(PasswordUnfit::NotTheSame)),
        ),
        named(
            "account-password-unchanged",
            problem(PasswordProblem::Unfit(PasswordUnfit::Unchanged)),
        ),
        named("account", page),
    ]
}

fn account(fill: &impl Fn(&str) -> String) -> Account {
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
                          (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
    let now = Timestamp::from_millis(1_700_000_000_000);
    let ago = |hours| now.before(Duration::from_hours(hours));
    let session = |id: &str, agent: &str, address: &str, hours| Session {
        id: fill(id),
        user_agent: fill(agent),
        address: address.parse().ok(),
        signed_in_at: ago(hours * 40),
        last_seen_at: ago(hours),
        is_current: hours == 0,
    };
    let application = |id: &str, name: &str, used: Option<u64>| Application {
        id: fill(id),
        name: fill(name),
        scopes: vec!["openid".into(), "email".into(), "offline_access".into(), fill("notes.read")],
        created_at: ago(24 * 90),
        last_used_at: used.map(ago),
    };
    Account {
        csrf: fill("c1"),
        username: fill("alice"),
        now,
        sessions: vec![
            session("s1", FIREFOX, "203.0.113.77", 0),
            session("s2", IPHONE, "2001:db8:7:1::99", 5),
            session("s3", "curl/8.5.0", "192.168.1.20", 50),
            session("s4", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "127.0.0.1", 24),
        ],
        applications: vec![
            application("a1", "Acme Notes", Some(2)),
            application("a2", "Household Budget", None),
        ],
        done: None,
        problem: None,
        least_length: 8,
    }
}
