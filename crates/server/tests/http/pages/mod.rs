//! The pages that people see: what must hold for each of them in each state and language.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use axum::body::to_bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use remint_server::browser::pages::consent::Consent;
use remint_server::browser::pages::form_post::FormPost;
use remint_server::browser::pages::sign_in::SignIn;
use remint_server::browser::pages::sign_out::{Next, SignedOut};
use remint_server::browser::pages::{Language, Link, Page, Pages};
use remint_server::config::{Config, Sources};

use crate::site::Site;

mod samples;

/// What is tried in every field.
const HOSTILE: &str = "\"><script>alert(1)</script>'&\u{202e}";

struct Shown {
    name: String,
    headers: HeaderMap,
    html: String,
}

impl Shown {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{}: {name}", self.name));
        value.to_str().unwrap()
    }

    /// The values of an attribute, wherever it stands.
    fn attributes(&self, attribute: &str) -> Vec<&str> {
        let start = format!(" {attribute}=\"");
        self.html.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }
}

fn pages(settings: &str) -> Pages {
    let sources = Sources::from_toml(Path::new("remint.toml"), settings).unwrap();
    Pages::new(&Config::resolve(&sources).unwrap()).unwrap()
}

fn show(pages: &Pages, language: Language, name: &str, page: &dyn Page) -> Shown {
    let response = pages.respond(language, page);
    let headers = response.headers().clone();
    Shown { name: format!("{name}-{}", language.tag()), headers, html: read(response) }
}

fn read(response: Response) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

fn all(hostile: Option<&str>) -> Vec<Shown> {
    let pages = pages("");
    let samples = samples::all(hostile);
    let in_all = |language| {
        samples.iter().map(move |(name, page)| (language, name, page)).collect::<Vec<_>>()
    };
    Language::ALL
        .into_iter()
        .flat_map(in_all)
        .map(|(language, name, page)| show(&pages, language, name, page.as_ref()))
        .collect()
}

/// Keeps a page with what it loads in `target/pages`, to be looked at.
fn keep(pages: &Pages, shown: &Shown) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
    fs::create_dir_all(dir.join("assets")).unwrap();
    let Shown { name, headers, html } = shown;
    let local =
        html.replace("=\"/assets/", "=\"assets/").replace("assets/logo?", "assets/logo.svg?");
    fs::write(dir.join(format!("{name}.html")), local).unwrap();
    let headers = headers.iter().map(|(n, v)| format!("{n}: {}\n", v.to_str().unwrap()));
    fs::write(dir.join(format!("{name}.headers")), headers.collect::<String>()).unwrap();
    for asset in html.split('"').filter_map(|part| part.strip_prefix("/assets/")) {
        let asset = asset.split('?').next().unwrap();
        let file = if asset == "logo" { "logo.svg" } else { asset };
        fs::write(dir.join("assets").join(file), read(pages.asset(asset))).unwrap();
    }
}

#[test]
fn every_page_is_whole_in_both_languages() {
    let pages = pages("");
    let mut seen = HashSet::new();
    for shown in all(None) {
        let Shown { name, html, .. } = &shown;
        assert_eq!(shown.header("content-type"), "text/html; charset=utf-8");
        let language = shown.header("content-language");
        assert!(html.starts_with("<!doctype html>"), "{name}");
        assert!(html.contains(&format!("<html lang=\"{language}\">")), "{name}");
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        // Fluent leaves what it could not fill in between braces.
        assert!(!html.contains(['{', '}']), "{name}: {html}");
        assert!(seen.insert(html.clone()), "{name} looks like another page");
        keep(&pages, &shown);
    }
}

#[test]
fn what_is_put_into_a_page_never_becomes_markup() {
    let plain = all(None);
    let hostile = all(Some(HOSTILE));
    assert_eq!(plain.len(), hostile.len());
    for (plain, hostile) in plain.iter().zip(&hostile) {
        let name = &hostile.name;
        for part in [HOSTILE, "<script>alert", "\"><script"] {
            assert!(!hostile.html.contains(part), "{name}: {part}");
        }
        for mark in ["<script", "<form", "<input", "<button", "<iframe"] {
            let count = |shown: &Shown| shown.html.matches(mark).count();
            assert_eq!(count(plain), count(hostile), "{name}: {mark}");
        }
        let policy = |shown: &Shown| shown.header("content-security-policy").to_owned();
        assert_eq!(policy(plain), policy(hostile), "{name}");
    }
}

#[test]
fn a_url_that_would_run_never_becomes_a_link_or_the_end_of_a_form() {
    let pages = pages("");
    for url in
        ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "\u{1}javascript:x"]
    {
        let next = Some(Next { url: url.to_owned(), client: "x".to_owned() });
        let frames = vec![Link::of("https://app.example/out").unwrap()];
        let page = SignedOut { next, frames };
        let shown = show(&pages, Language::English, "signed-out", &page);
        assert!(!shown.html.contains("signed-out-continue"), "{url}");
        assert!(shown.headers.get("refresh").is_none(), "{url}");
        let page = FormPost { redirect_uri: url.to_owned(), ..FormPost::default() };
        let shown = show(&pages, Language::English, "form-post", &page);
        let policy = shown.header("content-security-policy");
        assert!(policy.contains("form-action 'none'; "), "{url}: {policy}");
    }
}

#[test]
fn a_page_goes_on_to_no_url_that_would_break_out_of_its_header() {
    let refresh = |url: &str| {
        let next = Some(Next { url: url.to_owned(), client: "x".to_owned() });
        let frames = vec![Link::of("https://app.example/out").unwrap()];
        let page = SignedOut { next, frames };
        let shown = show(&pages(""), Language::English, "signed-out", &page);
        shown.headers.get("refresh").map(|value| value.to_str().unwrap().to_owned())
    };
    let url = "https://app.example/after;x=1,2?state='3%0D%0A'";
    assert_eq!(refresh(url), Some(format!("3; url={url}")));
    assert_eq!(refresh("https://app.example/\r\nset-cookie: x=y"), None);
}

#[test]
fn checklist_21_no_page_can_be_framed() {
    for shown in all(None) {
        let policy = shown.header("content-security-policy");
        assert!(policy.ends_with("; frame-ancestors 'none'; base-uri 'none'"), "{policy}");
        assert_eq!(shown.header("x-frame-options"), "DENY");
    }
}

#[test]
fn checklist_22_pages_load_nothing_from_elsewhere_and_tell_nobody_where_one_was() {
    for shown in all(None) {
        assert_eq!(shown.header("referrer-policy"), "no-referrer");
        let policy = shown.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'; "));
        for source in shown.attributes("src") {
            let is_logout = shown.name.starts_with("signed-out-frames");
            assert!(source.starts_with("/assets/") || is_logout, "{}: {source}", shown.name);
        }
        let stylesheets = shown.html.matches("rel=\"stylesheet\"").count();
        assert_eq!(stylesheets, 1, "{}", shown.name);
        // Links lead out of the consent page, to what the registration names, and on after signing out.
        for link in shown.attributes("href") {
            let may_leave = ["consent", "signed-out"].iter().any(|p| shown.name.starts_with(p));
            let is_local = link.starts_with("/assets/") || link == "#main";
            assert!(is_local || may_leave, "{}: {link}", shown.name);
        }
        assert_eq!(
            shown.html.matches("target=\"_blank\"").count(),
            shown.html.matches("rel=\"noopener noreferrer\"").count()
        );
    }
}

#[test]
fn the_headers_of_a_page_allow_as_little_as_can_be() {
    for shown in all(None) {
        let name = &shown.name;
        assert_eq!(shown.header("cache-control"), "no-store", "{name}");
        assert_eq!(shown.header("x-content-type-options"), "nosniff", "{name}");
        assert!(shown.header("vary").contains("accept-language"), "{name}");
        assert!(shown.header("permissions-policy").contains("camera=()"), "{name}");
        assert_eq!(shown.header("cross-origin-resource-policy"), "same-origin", "{name}");
        let is_own = ["account", "sign-out", "signed-out"].iter().any(|p| name.starts_with(p));
        let opener = if is_own { "same-origin" } else { "unsafe-none" };
        assert_eq!(shown.header("cross-origin-opener-policy"), opener, "{name}");
        let policy = shown.header("content-security-policy");
        assert!(!policy.contains("unsafe"), "{name}: {policy}");
        assert!(!policy.contains('*'), "{name}: {policy}");
        assert_eq!(policy.contains("script-src"), name.starts_with("form-post"), "{name}");
        assert_eq!(policy.contains("frame-src"), name.starts_with("signed-out-frames"), "{name}");
    }
}

#[test]
fn forms_lead_to_this_server_and_then_to_the_client_only() {
    let policies: Vec<_> = all(None)
        .into_iter()
        .map(|shown| {
            let policy = shown.header("content-security-policy").to_owned();
            let action = policy.split("; ").find_map(|part| part.strip_prefix("form-action "));
            (shown.name, action.unwrap().to_owned())
        })
        .collect();
    for (page, expected) in [
        ("sign-in-en", "'self' https://notes.example.com"),
        ("consent-en", "'self' https://notes.example.com"),
        ("consent-unproven-de", "'self' com.example.notes:"),
        ("sign-out-en", "'self' https://notes.example.com"),
        ("signed-out-en", "'none'"),
        ("form-post-en", "https://notes.example.com"),
        ("account-en", "'self'"),
        ("error-missing-de", "'none'"),
    ] {
        let (_, action) = policies.iter().find(|(name, _)| name == page).unwrap();
        assert_eq!(action, expected, "{page}");
    }
}

#[test]
fn no_page_has_an_inline_style_or_a_script_beyond_the_one_that_is_hashed() {
    use base64::Engine as _;
    for shown in all(None) {
        let Shown { name, html, .. } = &shown;
        assert!(!html.contains("<style") && !html.contains(" style="), "{name}");
        assert!(!html.contains("javascript:"), "{name}");
        let handlers = html.split(" on").skip(1).filter(|rest| {
            rest.split(|c: char| !c.is_ascii_lowercase()).next().is_some_and(|word| {
                !word.is_empty() && rest.get(word.len()..).is_some_and(|r| r.starts_with("=\""))
            })
        });
        assert_eq!(handlers.count(), 0, "{name}");
        let mut scripts = html.split("<script").skip(1);
        if !name.starts_with("form-post") {
            assert!(scripts.next().is_none(), "{name}");
            continue;
        }
        let script = scripts.next().unwrap().strip_prefix('>').unwrap();
        let script = script.split("</script>").next().unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        let expected = format!("script-src 'sha256-{hash}'; ");
        assert!(shown.header("content-security-policy").contains(&expected), "{name}");
        assert!(html.contains("id=\"form-post-continue\""), "without scripts there is a button");
    }
}

#[test]
fn every_form_that_changes_something_carries_its_proof() {
    for shown in all(None) {
        let name = &shown.name;
        for form in shown.html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.contains("method=\"post\""), "{name}: {form}");
            let is_ours = form.contains("action=\"/");
            assert_eq!(form.contains("name=\"csrf\" value=\"c1\""), is_ours, "{name}: {form}");
            let is_account = form.contains("action=\"/account");
            let has_flow = form.contains("name=\"flow\" value=\"f1\"");
            assert_eq!(has_flow, is_ours && !is_account, "{name}: {form}");
        }
    }
}

#[test]
fn ids_are_unique_and_labels_and_descriptions_lead_somewhere() {
    for shown in all(None) {
        let name = &shown.name;
        let ids = shown.attributes("id");
        let unique: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for attribute in ["for", "aria-describedby", "aria-labelledby"] {
            for id in shown.attributes(attribute).iter().flat_map(|ids| ids.split(' ')) {
                assert!(unique.contains(id), "{name}: {attribute} {id}");
            }
        }
        let labels: HashSet<_> = shown.attributes("for").into_iter().collect();
        for input in shown.html.split("<input").skip(1).map(|i| i.split('>').next().unwrap()) {
            if input.contains("type=\"hidden\"") || input.ends_with(" hidden") {
                continue;
            }
            let id = input.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(labels.contains(id), "{name}: {input}");
            assert!(input.contains("autocomplete=\""), "{name}: {input}");
        }
        assert!(shown.html.matches(" autofocus").count() <= 1, "{name}");
    }
}

#[test]
fn the_ids_that_automation_relies_on_are_there() {
    let shown = all(None);
    for (page, ids) in [
        ("sign-in-en", &["username", "password", "login-submit"][..]),
        ("sign-in-wrong-de", &["username", "password", "login-submit", "notice"]),
        (
            "consent-en",
            &[
                "consent-allow",
                "consent-deny",
                "consent-switch",
                "consent-redirect-host",
                "consent-client-id",
                "consent-lasts",
                "consent-scopes",
            ],
        ),
        ("consent-unproven-en", &["consent-unproven"]),
        ("sign-out-en", &["logout-confirm"]),
        ("signed-out-frames-en", &["signed-out", "signed-out-continue"]),
        ("error-missing-en", &["error", "error-parameter", "error-request-id"]),
        ("form-post-en", &["form-post-continue"]),
        (
            "account-en",
            &[
                "account-username",
                "account-sign-out",
                "end-session-1",
                "end-session-2",
                "end-application-1",
                "current-password",
                "new-password",
                "repeated-password",
                "change-password",
            ],
        ),
        ("account-session-ended-en", &["account-done"]),
        ("account-password-short-en", &["account-problem"]),
    ] {
        let page = shown.iter().find(|shown| shown.name == page).unwrap();
        let there = page.attributes("id");
        for id in ids {
            assert!(there.contains(id), "{}: {id}", page.name);
        }
    }
}

#[test]
fn checklist_25_consent_names_who_asks_what_for_where_to_and_for_how_long() {
    let shown = all(None);
    let consent = &shown.iter().find(|shown| shown.name == "consent-en").unwrap().html;
    for part in [
        "Acme Notes",
        "notes.example.com",
        "See your email address",
        "Use the permission <bdi>notes.read</bdi>",
        "https://api.example.com/notes",
        "30 days",
        "acme-notes",
        "alice",
        "https://notes.example.com/privacy",
    ] {
        assert!(consent.contains(part), "{part}");
    }
    assert!(!consent.contains("consent-unproven"));
    let unproven = &shown.iter().find(|s| s.name == "consent-unproven-en").unwrap().html;
    assert!(unproven.contains("We cannot verify this application."));
    assert!(unproven.contains("until you end it"));
}

#[test]
fn what_an_application_may_do_is_told_in_one_order_however_it_asks() {
    let scopes = ["read", "offline_access", "email", "openid"].map(str::to_owned).to_vec();
    let page = Consent { scopes, ..Consent::default() };
    let html = show(&pages(""), Language::English, "consent", &page).html;
    let told = ["Recognise you", "your email address", "while you are away", "<bdi>read</bdi>"];
    let places = told.map(|part| html.find(part).unwrap_or_else(|| panic!("{part}: {html}")));
    assert!(places.is_sorted(), "{html}");
}

#[test]
fn the_status_says_what_the_page_says() {
    let pages = pages("");
    let samples = samples::all(None);
    for (name, status, retry_after) in [
        ("sign-in", 200, None),
        ("sign-in-wrong", 400, None),
        ("sign-in-wait", 429, Some("90")),
        ("error-missing", 400, None),
        ("error-forbidden", 403, None),
        ("error-not-found", 404, None),
        ("error-too-many", 429, Some("30")),
        ("error-internal", 500, None),
        ("error-unavailable", 503, Some("30")),
        ("account", 200, None),
        ("account-password-wrong", 400, None),
        ("account-password-wait", 429, Some("120")),
    ] {
        let (_, page) = samples.iter().find(|(sample, _)| sample == name).unwrap();
        let response = pages.respond(Language::English, page.as_ref());
        assert_eq!(response.status().as_u16(), status, "{name}");
        let retry = response.headers().get("retry-after").map(|v| v.to_str().unwrap());
        assert_eq!(retry, retry_after, "{name}");
    }
}

#[test]
fn a_stylesheet_is_kept_for_ever_and_changes_its_name_with_the_brand() {
    let site = Site::with("brand.colour=#1f4b99");
    let path = |pages: &Pages| {
        let html = show(pages, Language::English, "", &SignIn::default()).html;
        let found = html.split('"').find(|part| part.starts_with("/assets/style-")).unwrap();
        found.to_owned()
    };
    let style = path(site.app.pages());
    let answer = site.get(&style).ok();
    assert_eq!(answer.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(answer.body.contains("--fill:#1f4b99;"));
    assert_eq!(site.get("/assets/style-0000000000000000.css").status, 404);
    assert_eq!(site.get("/assets/logo").status, 404);
    assert_eq!(site.get("/assets/..%2fremint.toml").status, 404);
    assert_ne!(style, path(&pages("")));
}

#[test]
fn the_operators_name_and_logo_stand_on_every_page() {
    let dir = tempfile::tempdir().unwrap();
    let logo = dir.path().join("logo.svg");
    let drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 32\">\
                   <rect width=\"96\" height=\"32\" rx=\"16\" fill=\"#f90\"/></svg>";
    fs::write(&logo, drawing).unwrap();
    let settings = format!(
        "[brand]\nname = \"Müller & <Söhne>\"\ncolour = \"#ff9900\"\nlogo = \"{}\"",
        logo.display()
    );
    let branded = pages(&settings);
    for (name, page) in samples::all(None) {
        let shown = show(&branded, Language::German, &format!("branded-{name}"), page.as_ref());
        keep(&branded, &shown);
        let html = shown.html;
        assert!(html.contains("alt=\"Müller &#38; &#60;Söhne&#62;\""), "{name}: {html}");
        assert!(html.contains("src=\"/assets/logo?"), "{name}");
    }
    let answer = branded.asset("logo");
    assert_eq!(answer.headers()["content-type"], "image/svg+xml");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.ends_with("; sandbox"),
        "{policy}"
    );
}

#[test]
fn an_issuer_with_a_path_has_its_pages_below_it() {
    let below = pages("issuer = \"https://example.com/id/one\"");
    for (name, page) in samples::all(None) {
        let shown = show(&below, Language::English, &name, page.as_ref());
        for path in ["href", "src", "action"].iter().flat_map(|a| shown.attributes(a)) {
            let is_below = path.starts_with("/id/one/") || path.starts_with("https://");
            assert!(is_below || path == "#main", "{name}: {path}");
        }
    }
}
