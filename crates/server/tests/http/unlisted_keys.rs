//! Made-up tokens that name a root key: only one that the store lists can be on its way here.

use remint_protocol::client_id::ClientId;
use remint_protocol::family_id::FamilyId;
use remint_protocol::interaction::{Interaction, Waiting};
use remint_protocol::keyring::{Fingerprint, Keyring, RootKey};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::FamilySecret;
use remint_protocol::token::{self, AccessToken, Jti, RefreshToken, Subject};
use remint_protocol::user::UserId;

use crate::site::{Answer, As, Site, eventually};
use crate::visitor::encode;

/// Tokens of every kind, sealed under a key that somebody made up.
struct MadeUp {
    refresh: String,
    access: String,
    code: String,
    flow: String,
}

impl MadeUp {
    fn naming(site: &Site, kid: u8) -> Self {
        let keys = Keyring::new(&[(kid, RootKey([7; 32]))], kid).unwrap();
        let demo = ClientId::parse("demo").unwrap();
        let family = FamilyId([1; 16]);
        let (now, secret) = (site.now(), FamilySecret::new([2; 16]));
        let refresh = RefreshToken { kid, epoch: 0, family, secret, generation: 0 };
        let access = AccessToken {
            jti: Jti([3; 16]),
            client_id: demo.clone(),
            subject: Subject::User { user_id: UserId([4; 16]), family, generation: 0 },
            scope: Scope::parse("openid").unwrap(),
            resources: Resources::default(),
            issued_at: now,
            expires_at: now.after(std::time::Duration::from_hours(1)),
        };
        let access = token::seal_access(&keys, &access).unwrap();
        let interaction = Interaction {
            waiting: Waiting::Authorization,
            request: "client_id=demo".into(),
            since: now,
            proof: None,
        };
        Self {
            refresh: token::seal_refresh(&keys, &refresh, &demo).unwrap(),
            // Which key it names is all that is read of it; the checksum is that of its own kind.
            code: renamed(&access, "rmac_"),
            access,
            flow: interaction.seal(&keys).unwrap(),
        }
    }

    /// What every endpoint answers.
    fn show(&self, site: &Site) -> Vec<Answer> {
        let demo = As::Client("demo");
        let code = [("grant_type", "authorization_code"), ("code", &*self.code)];
        let flow = encode(&[("flow", &self.flow)]);
        vec![
            site.refresh(&self.refresh),
            site.token(demo, &code),
            site.post("/oauth2/introspect", demo, &[("token", &self.refresh)]),
            site.post("/oauth2/introspect", demo, &[("token", &self.access)]),
            site.post("/oauth2/revoke", demo, &[("token", &self.refresh)]),
            site.post("/oauth2/revoke", demo, &[("token", &self.access)]),
            site.get_as("/oauth2/userinfo", &format!("Bearer {}", self.access)),
            site.get(&format!("/login?{flow}")),
            site.get(&format!("/consent?{flow}")),
            site.get(&format!("/oauth2/authorize/continue?{flow}")),
            site.get(&format!("/oidc/logout?{flow}")),
        ]
    }
}

/// The same sealed bytes as another kind of token, with the checksum that belongs to it.
fn renamed(token: &str, prefix: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = token.split_once('_').unwrap().1;
    let text = format!("{prefix}{}", &body[..body.len() - 6]);
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut sum = [b'0'; 6];
    for digit in sum.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    text + std::str::from_utf8(&sum).unwrap()
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

#[test]
fn a_made_up_token_is_garbage_at_every_endpoint_whatever_key_it_names() {
    let site = Site::new();
    site.tokens();
    let garbage = statuses(&MadeUp::naming(&site, 99).show(&site));
    assert!(garbage.iter().all(|status| *status < 500), "{garbage:?}");
    assert_eq!(garbage[..7], [400, 400, 200, 200, 200, 200, 401]);
    for kid in 0..=u8::MAX {
        assert_eq!(statuses(&MadeUp::naming(&site, kid).show(&site)), garbage, "key {kid}");
    }
    assert!(site.metric("remint_refreshes_total{row=\"roll_out\"}") < 0.5);
    // And no look into the database is needed to say so.
    site.close_store();
    for kid in [0, 1, 2, 3, 4, 5, 200] {
        assert_eq!(statuses(&MadeUp::naming(&site, kid).show(&site))[..2], garbage[..2], "{kid}");
        let made_up = MadeUp::naming(&site, kid);
        let bearer = format!("Bearer {}", made_up.access);
        assert_eq!(site.get_as("/oauth2/userinfo", &bearer).status, 401, "{kid}");
    }
}

#[test]
fn only_a_key_that_the_store_lists_is_not_here_yet_until_it_is_retired() {
    let site = Site::new();
    let garbage = statuses(&MadeUp::naming(&site, 99).show(&site));
    let add = site.store.add_key(7, Fingerprint([9; 16]), site.now());
    site.block_on(add).unwrap();
    eventually(|| site.app.keys().lacks == [7]);
    for kid in 0..=20 {
        let answers = MadeUp::naming(&site, kid).show(&site);
        if kid == 7 {
            assert_eq!(statuses(&answers), [503; 11], "the pages as well");
            assert!(answers.iter().all(|answer| answer.header("retry-after").is_some()));
        } else {
            assert_eq!(statuses(&answers), garbage, "key {kid}");
        }
    }
    site.block_on(site.store.retire_key(7, site.now())).unwrap();
    eventually(|| site.app.keys().lacks.is_empty());
    assert_eq!(statuses(&MadeUp::naming(&site, 7).show(&site)), garbage, "retired");
}
