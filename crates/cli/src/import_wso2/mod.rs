//! `remint import wso2-config`: the OAuth part of WSO2 Identity Server's identity.xml becomes a
//! `remint.toml` and a report that leaves no element out.
//!
//! The facts are those of WSO2 Identity Server 5.1.0; elements of later versions are known where
//! they concern refresh tokens. The whole is a function from text to text. It refuses broken XML, a
//! file without an `<OAuth>` section, values that are no numbers where numbers must stand, and
//! elements that are there twice: an import that guesses is worse than none.

mod address;
mod document;
mod draft;
mod elements;
mod error;
mod placeholders;
mod rules;
mod unwritten;

use std::fmt;

use serde::Serialize;

pub use error::ImportError;
pub use placeholders::Placeholders;

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The text of a `remint.toml`, with comments.
    pub toml: String,
    /// A line for every element under `<OAuth>`, in the order of the file, then one for each thing
    /// that WSO2 does without an element for it.
    pub report: Vec<Line>,
}

/// The result for one element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its path under `<OAuth>`, or in round brackets what has no element.
    pub element: String,
    /// Its value; that of passwords and secrets is not shown.
    pub value: String,
    /// The extent to which it is kept.
    pub verdict: Verdict,
    /// The reason.
    pub reason: String,
    /// The setting or the command that takes its place.
    pub becomes: Option<String>,
    /// The line in the file.
    pub source_line: u32,
}

/// The extent to which an element is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Remint does the same.
    Honoured,
    /// Remint does something near to it.
    Approximated,
    /// Nothing.
    Ignored,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Honoured => "honoured",
            Self::Approximated => "approximated",
            Self::Ignored => "ignored",
        })
    }
}

/// Makes a configuration and a report from the text of an identity.xml.
pub fn convert(xml: &str, placeholders: &Placeholders) -> Result<Import, ImportError> {
    let section = document::read(xml, placeholders)?;
    let mut import = rules::Import::begin(&section, placeholders)?;
    let mut report = import.report()?;
    report.extend(unwritten::lines(&section, import.draft())?);
    let count = |verdict| report.iter().filter(|line| line.verdict == verdict).count();
    let heading = format!(
        "Made by `remint import wso2-config` from the <OAuth> section of a WSO2 identity.xml.\n\
         {} settings are honoured, {} approximated, {} ignored; the report names each of them.",
        count(Verdict::Honoured),
        count(Verdict::Approximated),
        count(Verdict::Ignored),
    );
    Ok(Import { toml: import.finish(&heading), report })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHIPPED: &str = include_str!("../../testdata/wso2/identity-5.1.0.xml");

    fn import(xml: &str) -> Import {
        convert(xml, &Placeholders::default()).expect("a good file")
    }

    /// A file whose `<OAuth>` section is `inner`.
    fn file(inner: &str) -> String {
        format!(
            "<Server xmlns=\"http://wso2.org/projects/carbon/carbon.xml\">\n<OAuth>\n{inner}\n\
             </OAuth></Server>"
        )
    }

    fn error(xml: &str) -> String {
        convert(xml, &Placeholders::default()).expect_err("a bad file").to_string()
    }

    fn line<'a>(import: &'a Import, element: &str) -> &'a Line {
        let mut lines = import.report.iter().filter(|line| line.element == element);
        let line = lines.next().unwrap_or_else(|| panic!("no line for {element}"));
        assert!(lines.next().is_none(), "two lines for {element}");
        line
    }

    /// The verdict on the only element of a file, and what becomes of it.
    fn verdict(element: &str, value: &str) -> (Verdict, Option<String>) {
        let import = import(&file(&format!("<{element}>{value}</{element}>")));
        let line = line(&import, element);
        (line.verdict, line.becomes.clone())
    }

    fn becomes(verdict: Verdict, what: &str) -> (Verdict, Option<String>) {
        (verdict, Some(what.to_owned()))
    }

    fn values(import: &Import) -> toml::Table {
        import.toml.parse().expect("the generated file is TOML")
    }

    fn tokens(inner: &str) -> toml::Table {
        values(&import(&file(inner)))["tokens"].as_table().expect("a table").clone()
    }

    #[test]
    fn the_shipped_file_becomes_exactly_these_values() {
        let expected = toml::toml! {
            issuer = "https://localhost:9443"
            [http]
            listen = "localhost:9443"
            [tokens]
            access_token_lifetime = 3600
            refresh_token_lifetime = 84600
            renew_refresh_token = true
            revoke_access_token_on_refresh = true
        };
        assert_eq!(values(&import(SHIPPED)), expected);
    }

    #[test]
    fn the_report_leaves_no_element_of_the_shipped_file_out() {
        let import = import(SHIPPED);
        let document = roxmltree::Document::parse(SHIPPED).unwrap();
        let oauth = document.descendants().find(|node| node.tag_name().name() == "OAuth").unwrap();
        let mut leaves = 0;
        for leaf in oauth.descendants().filter(|node| node.is_element() && *node != oauth) {
            let name = leaf.tag_name().name();
            let is_label = name == "GrantTypeName" || name == "ResponseTypeName";
            if is_label || leaf.children().any(|child| child.is_element()) {
                continue;
            }
            leaves += 1;
            let row = document.text_pos_at(leaf.range().start).row;
            let has_line = |line: &Line| line.source_line == row && line.element.contains(name);
            assert!(import.report.iter().any(has_line), "{name} in line {row}");
        }
        // Grants, response types and the one client authenticator have a line beside their parts.
        let groups = 6 + 4 + 1;
        let written = import.report.iter().filter(|line| !line.element.starts_with('('));
        assert_eq!(written.count(), leaves + groups);
        let paths: BTreeSet<&str> = import.report.iter().map(|l| l.element.as_str()).collect();
        assert_eq!(paths.len(), import.report.len());
        assert!(import.report.iter().all(|line| !line.reason.contains("that Remint knows")));
    }

    #[test]
    fn grants_and_other_elements_that_repeat_are_named_in_brackets() {
        let import = import(SHIPPED);
        let grant = |name: &str| {
            line(&import, &format!("SupportedGrantTypes/SupportedGrantType[{name}]")).verdict
        };
        assert_eq!(grant("password"), Verdict::Honoured);
        assert_eq!(grant("client_credentials"), Verdict::Honoured);
        assert_eq!(grant("refresh_token"), Verdict::Honoured);
        assert_eq!(grant("authorization_code"), Verdict::Ignored);
        assert_eq!(grant("urn:ietf:params:oauth:grant-type:saml2-bearer"), Verdict::Ignored);
        assert_eq!(grant("iwa:ntlm"), Verdict::Ignored);
        let strict = "ClientAuthHandlers/ClientAuthHandler[BasicAuthClientAuthHandler]/\
                      Property[StrictClientCredentialValidation]";
        assert_eq!(line(&import, strict).verdict, Verdict::Ignored);
    }

    #[test]
    fn a_class_name_is_ignored_with_a_reason() {
        let import = import(SHIPPED);
        for line in import.report.iter().filter(|line| line.element.ends_with("ImplClass")) {
            assert_eq!(line.verdict, Verdict::Ignored);
            assert!(line.reason.starts_with("a Java class: "), "{}", line.reason);
        }
    }

    #[test]
    fn the_shipped_refresh_lifetime_is_kept_and_pointed_out() {
        let import = import(SHIPPED);
        let line = line(&import, "RefreshTokenValidityPeriod");
        assert_eq!((line.verdict, line.value.as_str()), (Verdict::Honoured, "84600"));
        assert_eq!(line.source_line, 35);
        assert_eq!(line.becomes.as_deref(), Some("tokens.refresh_token_lifetime = 84600"));
        assert!(line.reason.contains("23 h 30 min") && line.reason.contains("86400"));
    }

    #[test]
    fn a_file_without_namespace_with_a_prefix_or_cut_down_to_the_section_says_the_same() {
        let inner = "<RefreshTokenValidityPeriod>7200</RefreshTokenValidityPeriod>";
        let prefixed = "<c:Server xmlns:c=\"http://wso2.org/projects/carbon/carbon.xml\"><c:OAuth>\
                        <c:RefreshTokenValidityPeriod>7200</c:RefreshTokenValidityPeriod>\
                        </c:OAuth></c:Server>";
        let expected = values(&import(&file(inner)));
        for xml in [
            format!("<Server><OAuth>{inner}</OAuth></Server>"),
            format!("<OAuth>{inner}</OAuth>"),
            format!("\u{feff}<?xml version=\"1.0\"?><OAuth>{inner}</OAuth>"),
            prefixed.to_owned(),
        ] {
            assert_eq!(values(&import(&xml)), expected, "{xml}");
        }
    }

    #[test]
    fn an_element_of_a_foreign_namespace_is_not_taken_for_ours() {
        let inner = "<RefreshTokenValidityPeriod xmlns=\"urn:x\">7200</RefreshTokenValidityPeriod>";
        let import = import(&file(inner));
        let line = line(&import, "{foreign}RefreshTokenValidityPeriod");
        assert_eq!(line.verdict, Verdict::Ignored);
        assert!(!import.toml.contains("7200"));
    }

    #[test]
    fn refresh_lifetimes_stay_or_come_near() {
        let set = |value: &str| verdict("RefreshTokenValidityPeriod", value);
        let kept = |text: &str| {
            becomes(Verdict::Honoured, &format!("tokens.refresh_token_lifetime = {text}"))
        };
        let near = |text: &str| {
            becomes(Verdict::Approximated, &format!("tokens.refresh_token_lifetime = {text}"))
        };
        assert_eq!(set("86400"), kept("86400"));
        assert_eq!(set("\n  1 \n"), kept("1"));
        assert_eq!(set("\"600\""), kept("600"));
        assert_eq!(set("60<!-- a minute -->"), kept("60"));
        assert_eq!(set("31536000"), kept("31536000"));
        assert_eq!(set("31536001"), kept("31536001"));
        assert_eq!(set("0"), near("1"));
        assert_eq!(set("-1"), near("\"3650d\""));
        assert_eq!(set("9223372036854775807"), near("\"3650d\""));
    }

    #[test]
    fn the_bound_on_a_session_is_lifted_only_where_it_is_in_the_way() {
        let max = |value: &str| {
            let inner = format!("<RefreshTokenValidityPeriod>{value}</RefreshTokenValidityPeriod>");
            tokens(&inner).get("refresh_token_max_lifetime").cloned()
        };
        assert_eq!(max("31536000"), None);
        for value in ["31536001", "-1", "9223372036854775807"] {
            assert_eq!(max(value), Some(toml::Value::from("none")), "{value}");
        }
        let bounded = import(SHIPPED);
        assert!(bounded.toml.contains("# refresh_token_max_lifetime = \"none\""));
        assert_eq!(line(&bounded, "(refresh: length of a session)").verdict, Verdict::Approximated);
    }

    #[test]
    fn renewal_is_read_in_any_case_and_with_quotation_marks() {
        let set = |value: &str| verdict("RenewRefreshTokenForRefreshGrant", value);
        let off = becomes(Verdict::Honoured, "tokens.renew_refresh_token = false");
        let on = becomes(Verdict::Honoured, "tokens.renew_refresh_token = true");
        for value in ["false", " FALSE\n", "\"false\"", "' False '", "<![CDATA[false]]>"] {
            assert_eq!(set(value), off, "{value}");
        }
        assert_eq!(set("\t\"True\" "), on);
    }

    #[test]
    fn without_renewal_the_old_access_token_cannot_end_as_in_wso2() {
        let element = "(refresh: old access token)";
        let renew = |on| {
            format!("<RenewRefreshTokenForRefreshGrant>{on}</RenewRefreshTokenForRefreshGrant>")
        };
        let (on, off) = (import(&file(&renew(true))), import(&file(&renew(false))));
        assert_eq!(line(&on, element).verdict, Verdict::Honoured);
        assert_eq!(line(&off, element).verdict, Verdict::Approximated);
        for import in [on, off] {
            assert_eq!(
                values(&import)["tokens"]["revoke_access_token_on_refresh"],
                toml::Value::from(true)
            );
        }
    }

    #[test]
    fn an_empty_section_still_ends_the_old_access_token_and_keeps_the_defaults() {
        let expected = toml::toml! {
            issuer = "https://localhost:9443"
            [http]
            listen = "localhost:9443"
            [tokens]
            revoke_access_token_on_refresh = true
        };
        assert_eq!(values(&import("<Server><OAuth/></Server>")), expected);
    }

    #[test]
    fn access_lifetimes_stay_within_the_bounds_of_remint() {
        let set = |value: &str| verdict("UserAccessTokenDefaultValidityPeriod", value);
        let line = |text: &str| format!("tokens.access_token_lifetime = {text}");
        assert_eq!(set("900"), becomes(Verdict::Honoured, &line("900")));
        assert_eq!(set("2592000"), becomes(Verdict::Honoured, &line("2592000")));
        assert_eq!(set("2592001"), becomes(Verdict::Approximated, &line("2592000")));
        assert_eq!(set("-1"), becomes(Verdict::Approximated, &line("2592000")));
        assert_eq!(set("0"), becomes(Verdict::Approximated, &line("1")));
    }

    #[test]
    fn applications_with_a_lifetime_of_their_own_need_an_exception_for_each() {
        let of = |application: i64, user: i64| {
            let inner = format!(
                "<AccessTokenDefaultValidityPeriod>{application}\
                 </AccessTokenDefaultValidityPeriod>\
                 <UserAccessTokenDefaultValidityPeriod>{user}\
                 </UserAccessTokenDefaultValidityPeriod>"
            );
            let import = import(&file(&inner));
            let line = line(&import, "AccessTokenDefaultValidityPeriod");
            (line.verdict, line.becomes.clone())
        };
        assert_eq!(of(900, 900), (Verdict::Honoured, None));
        assert_eq!(of(-1, -1), (Verdict::Approximated, None));
        let command = "remint client update ID --access-token-lifetime 7200s";
        assert_eq!(of(7200, 900), becomes(Verdict::Approximated, command));
        assert_eq!(verdict("AccessTokenDefaultValidityPeriod", "3600"), (Verdict::Honoured, None));
    }

    #[test]
    fn a_skew_is_not_taken_off_lifetimes() {
        assert_eq!(verdict("TimestampSkew", "0"), (Verdict::Honoured, None));
        assert_eq!(verdict("TimestampSkew", "300"), (Verdict::Approximated, None));
        let import = import(SHIPPED);
        assert!(line(&import, "TimestampSkew").reason.contains("300 s"));
    }

    #[test]
    fn the_token_url_gives_issuer_and_port() {
        let of = |url: &str| {
            let import = import(&file(&format!("<OAuth2TokenEPUrl>{url}</OAuth2TokenEPUrl>")));
            let values = values(&import);
            let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
            let plain = values["http"].get("plain").is_some();
            let verdict = line(&import, "OAuth2TokenEPUrl").verdict;
            (verdict, text(&values["issuer"]), text(&values["http"]["listen"]), plain)
        };
        let result = |verdict, issuer: &str, listen: &str, plain| {
            (verdict, issuer.to_owned(), listen.to_owned(), plain)
        };
        let (honoured, near) = (Verdict::Honoured, Verdict::Approximated);
        let local = "https://localhost:9443";
        let loopback = "localhost:9443";
        for (url, expected) in [
            (
                "https://id.example.com:9444/oauth2/token",
                result(honoured, "https://id.example.com:9444", "0.0.0.0:9444", false),
            ),
            (
                "https://id.example.com/oauth2/token/",
                result(honoured, "https://id.example.com", "0.0.0.0:443", false),
            ),
            ("/oauth2/token", result(honoured, local, loopback, false)),
            (
                "https://gw.example.com:8243/token",
                result(near, "https://gw.example.com:8243", "0.0.0.0:8243", false),
            ),
            (
                "https://localhost:9443/oauth2/token?tenantDomain=a.com",
                result(near, local, loopback, false),
            ),
            (
                "http://localhost:9763/oauth2/token",
                result(near, "http://localhost:9763", "localhost:9763", true),
            ),
            (
                "http://id.example.com:9763/oauth2/token",
                result(near, "https://id.example.com:9763", "0.0.0.0:9763", false),
            ),
            ("https://${unknown.host}/oauth2/token", result(near, local, loopback, false)),
            ("", result(near, local, loopback, false)),
        ] {
            assert_eq!(of(url), expected, "{url}");
        }
    }

    #[test]
    fn placeholders_can_be_given() {
        let placeholders = Placeholders {
            host: "id.example.com".to_owned(),
            port: 443,
            ..Placeholders::default()
        };
        let import = convert(SHIPPED, &placeholders).unwrap();
        assert_eq!(values(&import)["issuer"], toml::Value::from("https://id.example.com"));
        let wrong = Placeholders { host: "https://a/".to_owned(), ..Placeholders::default() };
        let error = convert("<OAuth/>", &wrong).unwrap_err().to_string();
        assert!(error.contains("without scheme, port and path"), "{error}");
    }

    #[test]
    fn other_endpoints_are_the_same_only_at_the_same_address() {
        let revoke = "https://localhost:9443/oauth2/revoke";
        assert_eq!(verdict("OAuth2RevokeEPUrl", revoke), (Verdict::Honoured, None));
        let elsewhere = "https://other:9443/oauth2/revoke";
        assert_eq!(verdict("OAuth2RevokeEPUrl", elsewhere), (Verdict::Approximated, None));
        assert_eq!(verdict("OAuth2UserInfoEPUrl", "/oauth2/userinfo"), (Verdict::Ignored, None));
    }

    #[test]
    fn elements_of_later_versions_that_concern_refresh_are_known() {
        let inner = "<ExtendRenewedRefreshTokenExpiryTime>false\
                     </ExtendRenewedRefreshTokenExpiryTime>\
                     <RenewTokenPerRequest>true</RenewTokenPerRequest>\
                     <GracefulRefreshTokenRotation><ValidityPeriodMax>3600</ValidityPeriodMax>\
                     <ReuseLimitMax>5</ReuseLimitMax></GracefulRefreshTokenRotation>\
                     <TokenCleanup><EnableTokenCleanup>true</EnableTokenCleanup></TokenCleanup>";
        let import = import(&file(inner));
        let verdict = |element| line(&import, element).verdict;
        assert_eq!(verdict("ExtendRenewedRefreshTokenExpiryTime"), Verdict::Honoured);
        assert_eq!(verdict("RenewTokenPerRequest"), Verdict::Honoured);
        assert_eq!(
            verdict("GracefulRefreshTokenRotation/ValidityPeriodMax"),
            Verdict::Approximated
        );
        assert_eq!(verdict("GracefulRefreshTokenRotation/ReuseLimitMax"), Verdict::Ignored);
        assert_eq!(verdict("TokenCleanup/EnableTokenCleanup"), Verdict::Honoured);
        let expected = toml::toml! {
            extend_on_renewal = false
            grace_period = 600
            revoke_access_token_on_refresh = true
        };
        assert_eq!(tokens(inner), expected);
    }

    #[test]
    fn a_server_without_the_refresh_grant_gets_a_line_that_says_so() {
        let refresh = "SupportedGrantTypes/SupportedGrantType[refresh_token]";
        let inner = "<SupportedGrantTypes><SupportedGrantType><GrantTypeName> password\
                     </GrantTypeName></SupportedGrantType></SupportedGrantTypes>";
        let without = import(&file(inner));
        let missing = line(&without, refresh);
        assert_eq!(missing.verdict, Verdict::Approximated);
        assert_eq!(missing.value, "(not in the file)");
        assert_eq!(line(&import(SHIPPED), refresh).verdict, Verdict::Honoured);
        let nothing = import(&file(""));
        assert!(nothing.report.iter().all(|line| line.element != refresh));
    }

    #[test]
    fn an_unknown_element_is_ignored_even_when_it_repeats() {
        let inner = "<Later>1</Later><Later>2</Later><New a=\"b\"><Deep> x </Deep></New>";
        let import = import(&file(inner));
        let found: Vec<_> = import
            .report
            .iter()
            .filter(|line| line.reason == "not an element of WSO2 5.1.0 that Remint knows")
            .map(|line| (line.element.as_str(), line.value.as_str(), line.verdict))
            .collect();
        let ignored = Verdict::Ignored;
        assert_eq!(
            found,
            [
                ("Later", "1", ignored),
                ("Later", "2", ignored),
                ("New", "a=b", ignored),
                ("New/Deep", "x", ignored)
            ]
        );
    }

    #[test]
    fn passwords_and_secrets_are_never_shown() {
        let inner = "<KeyStorePassword>hunter2</KeyStorePassword>\
                     <ClientSecret><Value>hunter2</Value></ClientSecret>\
                     <Store password=\"hunter2\"/>\
                     <ClientAuthHandlers><ClientAuthHandler Class=\"a.B\">\
                     <Property Name=\"TrustStorePassword\">hunter2</Property>\
                     <Other key=\"client-secret\" value=\"hunter2\"><V>hunter2</V></Other>\
                     </ClientAuthHandler></ClientAuthHandlers>";
        let import = import(&file(inner));
        assert_eq!(line(&import, "ClientSecret/Value").value, "(not shown)");
        assert_eq!(line(&import, "Store").value, "password=(not shown)");
        assert!(!format!("{import:?}").contains("hunter2"));
    }

    #[test]
    fn values_are_shown_on_one_line_without_characters_that_steer_a_terminal() {
        let long = "x".repeat(10_000);
        let import = import(&file(&format!("<A>a\n\n b\u{9b}31m</A><B>{long}</B>")));
        assert_eq!(line(&import, "A").value, "a b\u{fffd}31m");
        assert_eq!(line(&import, "B").value.chars().count(), 201);
    }

    #[test]
    fn an_element_that_is_there_twice_is_an_error_that_names_both_lines() {
        let twice = "<TimestampSkew>0</TimestampSkew>\n <TimestampSkew>1</TimestampSkew>";
        let message = error(&file(twice));
        assert!(message.starts_with("4:2: <TimestampSkew>"), "{message}");
        assert!(message.contains("the first is at 3:1"), "{message}");
        let grant = "<SupportedGrantType><GrantTypeName>password</GrantTypeName>\
                     </SupportedGrantType>";
        let grants = format!("<SupportedGrantTypes>{grant}{grant}</SupportedGrantTypes>");
        assert!(error(&file(&grants)).contains("SupportedGrantType[password]> is there a second"));
        let sections = "<OpenIDConnect/><OpenIDConnect/>";
        assert!(error(&file(sections)).contains("<OpenIDConnect> is there a second time"));
        assert!(error("<Server><OAuth/>\n<OAuth/></Server>").starts_with("2:1: <OAuth> is there"));
    }

    #[test]
    fn only_what_xml_calls_white_space_is_taken_off_a_value() {
        let element = "RefreshTokenValidityPeriod";
        let value = |text: &str| file(&format!("<{element}>{text}</{element}>"));
        let plain = import(&value("3600")).toml;
        assert_eq!(import(&value(" \t\r\n3600\n ")).toml, plain);
        for odd in ["\u{a0}3600", "3600\u{2000}", "\u{85}3600", "\u{3000}"] {
            assert!(error(&value(odd)).contains("which is not a number"), "{odd:?}");
        }
    }

    #[test]
    fn what_is_no_number_or_no_boolean_is_an_error_that_says_what_to_write() {
        for element in [
            "RefreshTokenValidityPeriod",
            "AccessTokenDefaultValidityPeriod",
            "UserAccessTokenDefaultValidityPeriod",
            "TimestampSkew",
        ] {
            for value in ["", "one day", "1d", "3600.0", "0x10", "99999999999999999999", "${x}"] {
                let message = error(&file(&format!("<{element}>{value}</{element}>")));
                let expected = format!("3:1: {element} is \"{value}\", which is not a number");
                assert!(message.starts_with(&expected), "{message}");
                assert!(message.contains("3600"), "{message}");
            }
        }
        let element = "RenewRefreshTokenForRefreshGrant";
        for value in ["", "yes", "0", "\"\""] {
            let message = error(&file(&format!("<{element}>{value}</{element}>")));
            assert!(message.ends_with("write true or false"), "{message}");
        }
    }

    #[test]
    fn broken_xml_is_an_error_with_its_place() {
        for (xml, place) in [
            ("", "1:1: "),
            ("hello", "1:1: "),
            ("<Server>\n<OAuth>\n</Server>", "3:1: "),
            ("<Server>\n<OAuth>", "2:8: "),
            ("<OAuth>\n <A>&nbsp;</A></OAuth>", "2:5: "),
            ("<OAuth>\n<A x=1/></OAuth>", "2:6: "),
        ] {
            let message = error(xml);
            assert!(message.starts_with(place), "{xml}: {message}");
            assert!(message.contains("not well-formed XML"), "{message}");
        }
    }

    #[test]
    fn a_file_without_the_section_is_an_error_that_says_which_file_to_give() {
        for xml in [
            "<Server><!-- <OAuth/> --></Server>",
            "<Server><Other><OAuth/></Other></Server>",
            "<OAuth xmlns='urn:x'/>",
        ] {
            let message = error(xml);
            assert!(message.contains("there is no <OAuth> element"), "{message}");
            assert!(message.contains("conf/identity/identity.xml"), "{message}");
        }
    }

    #[test]
    fn entity_bombs_are_refused_unread() {
        let bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY a \"aaaa\">\
                    <!ENTITY b \"&a;&a;&a;\">]><OAuth><A>&b;</A></OAuth>";
        let message = error(bomb);
        assert!(message.starts_with("2:1: the file has a <!DOCTYPE>"), "{message}");
    }

    #[test]
    fn files_of_a_size_and_depth_that_none_has_are_refused() {
        let big = file(&format!("<A>{}</A>", "x".repeat(10_000_000)));
        assert!(error(&big).contains("more than 2 MiB"));
        let many = file(&"<A/>".repeat(200_000));
        assert!(error(&many).contains("100,000 tags"));
        let attributes: String = (0..30_000).map(|n| format!(" a{n}=\"\"")).collect();
        assert!(error(&file(&format!("<A{attributes}/>"))).contains("20,000 attributes"));
        let names: String = (0..300).map(|n| format!("<a xmlns:n{n}=\"{n}\">")).collect();
        assert!(error(&names).contains("200 namespace"));
        let deep = format!("{}{}", "<a>".repeat(40_000), "</a>".repeat(40_000));
        assert!(error(&file(&deep)).contains("nested deeper"));
        assert!(error(&deep).contains("there is no <OAuth>"));
    }

    #[test]
    fn no_prefix_of_the_shipped_file_makes_it_panic() {
        for end in (0..SHIPPED.len()).step_by(7).filter(|end| SHIPPED.is_char_boundary(*end)) {
            assert!(convert(&SHIPPED[..end], &Placeholders::default()).is_err(), "{end}");
        }
    }

    #[test]
    fn every_comment_fits_into_the_width() {
        let import = import(SHIPPED);
        assert!(import.toml.lines().all(|line| line.chars().count() <= 100), "{}", import.toml);
    }

    #[test]
    fn a_line_is_json_with_these_names() {
        let import = import(SHIPPED);
        let line = line(&import, "TimestampSkew");
        let json = serde_json::to_value(line).unwrap();
        assert_eq!(json["element"], "TimestampSkew");
        assert_eq!(json["verdict"], "approximated");
        assert_eq!(json["source_line"], 36);
        assert!(json["becomes"].is_null());
        assert_eq!(json["verdict"], line.verdict.to_string());
    }
}
