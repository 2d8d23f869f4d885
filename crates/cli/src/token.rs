//! `remint token`.

use clap::{Args, Subcommand};
use remint_protocol::client::Client;
use remint_protocol::keyring::Keyring;
use remint_protocol::refresh::{self, Decision, Request};
use remint_protocol::token::{self, RefreshToken, Unopened};
use remint_store::Store;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::install::{Installation, Location, block_on, now};
use crate::output::{Output, time};
use crate::secret;

/// Look into tokens without using them.
#[derive(Subcommand)]
pub(crate) enum Token {
    /// Say what would happen to a refresh token, and why
    Explain(Explain),
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  remint token explain - < token.txt\n\nA token on the command line can be read by every user of \
                        this machine; `-` reads it from standard input."
)]
pub(crate) struct Explain {
    /// The refresh token, or `-` to read it from standard input.
    token: String,
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    output: Output,
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Explain(explain) = self;
        explain.run()
    }
}

#[derive(Default, Serialize)]
struct Explanation {
    row: &'static str,
    would: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
}

impl Explain {
    fn run(self) -> anyhow::Result<()> {
        let at = Installation::open_to_read(&self.location)?;
        let text = if self.token == "-" {
            secret::from_stdin("token")?.expose_secret().to_owned()
        } else {
            self.token.clone()
        };
        let explanation = block_on(explain(&at, text.trim_matches([' ', '\t', '\r', '\n'])))?;
        self.output.one(&explanation)
    }
}

/// The client that a token was issued to is part of its seal, so every client is tried.
async fn open(
    store: &Store,
    keys: &Keyring,
    text: &str,
) -> anyhow::Result<Result<(Client, RefreshToken), Unopened>> {
    let mut why = Unopened::Garbage;
    let mut pages = store.client_pages();
    while let Some(clients) = pages.next().await? {
        for client in clients {
            match token::open_refresh(keys, text, &client.id) {
                Ok(token) => return Ok(Ok((client, token))),
                Err(Unopened::UnknownKey) => why = Unopened::UnknownKey,
                Err(Unopened::Garbage) => {}
            }
        }
    }
    Ok(Err(why))
}

async fn explain(at: &Installation, text: &str) -> anyhow::Result<Explanation> {
    let (client, token) = match open(&at.store, &at.keys, text).await? {
        Ok(opened) => opened,
        Err(Unopened::Garbage) => {
            let would = "be refused as invalid_grant without a look into the database: it is damaged, of another server, \
                         of a deleted client, or no refresh token";
            return Ok(Explanation {
                row: "garbage",
                would: would.into(),
                ..Explanation::default()
            });
        }
        Err(Unopened::UnknownKey) => {
            let would = "be answered with 503 and Retry-After: it is sealed under a key that is not in the key file yet";
            return Ok(Explanation {
                row: "roll_out",
                would: would.into(),
                ..Explanation::default()
            });
        }
    };
    let loaded = at.store.load_family(token.family).await?;
    let policy = client.policy(&at.config.policy());
    let request = Request { token: &token, scope: None, resources: None };
    let decision =
        refresh::decide(&request, loaded.as_ref(), &client, &policy, at.keys.active(), now());
    let family = loaded.as_ref().map(|l| &l.family);
    let user = match family {
        Some(family) => at.store.load_user(family.user_id).await?,
        None => None,
    };
    let would = if client.enabled {
        outcome(&decision)
    } else {
        "not be looked at: its client is disabled, and refused as invalid_client".into()
    };
    Ok(Explanation {
        row: decision.case().name(),
        would,
        cause: cause(&decision),
        client: Some(client.id.to_string()),
        session: token::seal_family_id(&at.keys, token.family),
        user: user.map(|u| u.username.as_str().to_owned()),
        token_generation: Some(token.generation),
        session_generation: family.map(|f| f.generation),
        created: family.map(|f| time(f.created_at)),
        refreshed: family.map(|f| time(f.rotated_at)),
        expires: family.map(|f| time(f.expires_at.min(f.max_expires_at))),
        revoked: family
            .and_then(|f| f.revoked)
            .map(|(at, why)| format!("{} ({})", time(at), why.as_str())),
    })
}

fn outcome(decision: &Decision) -> String {
    match decision {
        Decision::Rotate { rotation, .. } => {
            format!(
                "be exchanged for a new refresh token, valid until {}",
                time(rotation.expires_at)
            )
        }
        Decision::Keep { .. } => "come back unchanged beside a new access token".into(),
        Decision::Retry { .. } => {
            "get the same successor as before: it is the previous token, within its grace period"
                .into()
        }
        Decision::Refuse(refusal) => {
            format!("be refused as {}, and nothing would change", refusal.reject.code.as_str())
        }
        Decision::Wait => "be answered with 503 and Retry-After: it is from a later epoch than this store, \
                           which is the primary of yesterday or was restored from a backup. For the \
                           latter, `remint store epoch bump`"
            .into(),
        Decision::Revoke { reject, .. } => {
            format!("be refused as {}, and its session would end", reject.code.as_str())
        }
    }
}

const fn cause(decision: &Decision) -> Option<&'static str> {
    match decision {
        Decision::Refuse(refusal) => Some(refusal.reject.why.name()),
        Decision::Revoke { reject, .. } => Some(reject.why.name()),
        _ => None,
    }
}
