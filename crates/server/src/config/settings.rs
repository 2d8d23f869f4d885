//! The settings: each declared once, with its documentation, its type and its default.

use std::path::PathBuf;
use std::time::Duration;

use remint_protocol::policy::{MaxLifetime, OnReuse};
use remint_store::postgres::RevocationCommit;

use super::addresses::{HomeUrl, Issuer, ListenAddress, OpsListen};
use super::brand::{BrandName, Colour};
use super::network::{Networks, Plain};
use super::read::{ConfigError, Sources};
use super::values::{Argon2Memory, LogFormat, LogLevel, RequestLimit, Setting, StoreUrl};

/// One documented key.
#[derive(Clone, Copy, Debug)]
pub struct SettingSpec {
    /// The full name, such as `http.listen`.
    pub name: &'static str,
    /// Its meaning.
    pub doc: &'static str,
    /// The default, as one would write it; empty for none.
    pub default: &'static str,
    /// The values that it accepts, in words.
    pub expects: &'static str,
    /// Whether the value may hold a secret, so that it is not repeated in messages.
    pub is_secret: bool,
}

macro_rules! sections {
    ($(
        $(#[doc = $about:literal])*
        $member:ident $section:literal $name:ident {
            $($(#[doc = $doc:literal])* $field:ident: $type:ty = $default:literal;)*
        }
    )*) => {
        $(
            $(#[doc = $about])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name {
                $($(#[doc = $doc])* pub $field: $type,)*
            }

            impl $name {
                fn resolve(sources: &Sources) -> Result<Self, ConfigError> {
                    Ok(Self {
                        $($field: sources.resolve(concat!($section, stringify!($field)), $default)?,)*
                    })
                }

                fn show(&self, out: &mut Vec<(&'static str, String)>) {
                    $(out.push((concat!($section, stringify!($field)), self.$field.show()));)*
                }
            }
        )*

        /// The whole configuration, checked.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $about])* pub $member: $name,)*
            /// The directory that relative paths start from.
            pub(super) base: PathBuf,
        }

        impl Config {
            /// Reads every section.
            pub(super) fn read(sources: &Sources, base: PathBuf) -> Result<Self, ConfigError> {
                Ok(Self { $($member: $name::resolve(sources)?,)* base })
            }

            /// Lists every key with its value, as one would write it.
            pub fn show(&self) -> Vec<(&'static str, String)> {
                let mut all = Vec::new();
                $(self.$member.show(&mut all);)*
                all
            }
        }

        /// Every section with what it is about, and every key in it.
        pub const SECTIONS: &[(&str, &str, &[SettingSpec])] = &[$((
            $section,
            concat!($($about, "\n",)*),
            &[$(SettingSpec {
                name: concat!($section, stringify!($field)),
                doc: concat!($($doc, "\n",)*),
                default: $default,
                expects: <$type as Setting>::EXPECTS,
                is_secret: <$type as Setting>::IS_SECRET,
            },)*],
        ),)*];
    };
}

sections! {
    /// The identity of this server, and the place of its data.
    server "" Server {
        /// The issuer identifier (RFC 8414 §2): the URL under which clients reach this server, without a
        /// trailing slash. Metadata and introspection answers carry it.
        issuer: Issuer = "https://localhost:9443";
        /// The directory of the database and of the self-signed certificate. Relative to the
        /// configuration file.
        data_dir: PathBuf = ".";
        /// The file of the root keys. Whoever reads it can forge access tokens, and, with a session's
        /// refresh token at hand, that session's later ones; keep it at mode 0600 and back it up apart
        /// from the database. Relative to the configuration file. A file with a secret must be this user's and
        /// closed to all others, or root's and at most readable by a group.
        key_file: PathBuf = "remint.keys";
    }

    /// The database of sessions, clients and users.
    store "store." StoreSettings {
        /// A PostgreSQL database that any number of nodes share, such as
        /// `postgres://remint@db.example.com/remint`. Several hosts may be named, separated by commas: the
        /// one that accepts writes is used. `sslmode` is `verify-full` or, for a network that you trust,
        /// `disable`; left out, it is `disable` for loopback addresses and sockets only. Without a URL,
        /// SQLite in the data directory.
        url: Option<StoreUrl> = "";
        /// A file with the password, where the URL has none. Who may read it: as for `key_file`.
        password_file: Option<PathBuf> = "";
        /// The certificates of the authorities to trust for the database, PEM. Without it, those that the
        /// system trusts.
        ca_file: Option<PathBuf> = "";
        /// Number of connections to PostgreSQL that this node opens at most, besides one that listens for
        /// changes.
        connections: u32 = "8";
        /// Time that making a connection to PostgreSQL may take.
        connect_timeout: Duration = "3s";
        /// Time that a statement on PostgreSQL may take.
        statement_timeout: Duration = "5s";
        /// Durability that a revocation must have before the request is answered (values of PostgreSQL's
        /// `synchronous_commit`): `server` for that setting of the server, `on`, `remote_write` or
        /// `remote_apply`. Rotations wait for the primary's disk only: what a failover loses of them heals.
        revocation_commit: RevocationCommit = "server";
        /// Whether `serve` brings an older schema up to date instead of refusing it.
        migrate_on_start: bool = "false";
    }

    /// The public listener: tokens, introspection, revocation, metadata, health.
    http "http." Http {
        /// The address to listen on. `localhost` means both loopback addresses.
        listen: ListenAddress = "localhost:9443";
        /// The TLS certificate chain, PEM: the server's certificate first, then what leads to the
        /// authority. Read again when the file changes, and on SIGHUP. Without one, a self-signed
        /// certificate is made and kept in the data directory.
        certificate: Option<PathBuf> = "";
        /// The private key of the certificate, PEM. Who may read it: as for `key_file`.
        private_key: Option<PathBuf> = "";
        /// Speak HTTP without TLS. `true`, for a proxy on the same host, is only allowed on loopback
        /// addresses. `behind_proxy` is for a proxy, an ingress or a mesh elsewhere that ends TLS: any
        /// address may be listened on, `http.trusted_proxies` must name that proxy, and whoever else
        /// connects over a network is refused, but for `/health`.
        plain: Plain = "false";
        /// The proxies whose `X-Forwarded-For` is believed, as IP addresses or networks such as
        /// `10.0.0.0/8`. From anyone else the header is ignored.
        trusted_proxies: Networks = "";
        /// The most connections at once. Further ones wait in the operating system's queue.
        max_connections: u32 = "10000";
        /// Time that a client may take to send the head of a request.
        header_timeout: Duration = "30s";
        /// Time for which a connection is kept open between two requests. Longer than a load balancer keeps
        /// it, which most do for 60 seconds, so that a request never meets a connection that ends. When all
        /// of `http.max_connections` are open, idle ones are kept for `http.header_timeout` at most.
        idle_timeout: Duration = "75s";
        /// Time that a client may take to send the body of a request.
        body_timeout: Duration = "10s";
        /// Time for which requests are still taken after SIGTERM, while `/health/ready` says 503 already: the
        /// time that a load balancer needs to notice. On Kubernetes some seconds, such as `5s`.
        shutdown_delay: Duration = "0s";
        /// Time that running requests may take to finish after SIGTERM and `http.shutdown_delay`.
        drain_timeout: Duration = "10s";
    }

    /// The operators' listener: `/metrics` and `/health`. Plain HTTP; keep it away from the public.
    ops "ops." Ops {
        /// The address to listen on, or `off`.
        listen: OpsListen = "127.0.0.1:9464";
    }

    /// The lifetimes and the renewal of tokens. Clients may override each.
    tokens "tokens." Tokens {
        /// Lifetime of an access token.
        access_token_lifetime: Duration = "1h";
        /// Lifetime of an ID token.
        id_token_lifetime: Duration = "1h";
        /// Lifetime of a refresh token.
        refresh_token_lifetime: Duration = "1d";
        /// Whether each refresh gives a new refresh token and makes the previous one unusable. When off,
        /// the same refresh token comes back until it expires; public clients still get new ones (RFC 9700
        /// §2.2.2).
        renew_refresh_token: bool = "true";
        /// Whether a renewed refresh token gets a new expiry. When off, it inherits the old one.
        extend_on_renewal: bool = "true";
        /// Time for which all refresh tokens of one authorization live together, however often they are
        /// renewed; `none` for no bound.
        refresh_token_max_lifetime: MaxLifetime = "365d";
        /// Time after a renewal for which the previous refresh token still gets the same successor, for
        /// clients that lost the response. At most `10m`.
        grace_period: Duration = "0s";
        /// Effect of a used-up refresh token: `revoke_family` ends the session that it belongs to (RFC 9700
        /// §4.14.2), `deny` refuses it alone.
        on_reuse: OnReuse = "revoke_family";
        /// Whether a renewal ends the access tokens issued before it. Nothing is renewed, and so nothing
        /// ended, where `renew_refresh_token` is off.
        revoke_access_token_on_refresh: bool = "false";
    }

    /// The keys that sign ID tokens and other JWTs, see [keys](keys.md).
    signing "signing." SigningSettings {
        /// Age that a key may reach before the next one signs. Empty: keys change by `remint key rotate`
        /// alone.
        rotate_every: Option<Duration> = "90d";
        /// Time for which a new key is published before it signs, so that clients that keep the key set know
        /// it by then. `/oauth2/jwks` lets them keep it for 15 minutes; some keep it for a day.
        lead_time: Duration = "1d";
    }

    /// The sessions of browsers: how long somebody stays signed in.
    sessions "sessions." Sessions {
        /// Time for which a session may go unused.
        idle_lifetime: Duration = "8h";
        /// The longest a sign-in lasts before the password is asked for again.
        absolute_lifetime: Duration = "7d";
    }

    /// Back-channel logout: clients are notified, server to server, that a session is over
    /// (`backchannel_logout_uri`).
    logout "logout." Logout {
        /// Time that a client may take to respond, name lookup and TLS included, before it is tried again. At
        /// most `10s`.
        timeout: Duration = "5s";
        /// Whether clients on private, loopback and link-local addresses are told. Off, only the public internet
        /// is connected to, so that a registration cannot make this server reach into its own network.
        /// `serve --dev` turns it on.
        allow_private_addresses: bool = "false";
    }

    /// Limits on the requests of one source, in addition to the limits on wrong guesses, which are always on.
    /// A source is an IPv4 address or an IPv6 /64; a /56 has twice as much and a /48 four times. Each is
    /// counted in the memory of each node, and a request over the limit gets 429 with Retry-After. `600/1m`
    /// lets 600 through at once and makes room for one more every 100 milliseconds.
    limits "limits." Limits {
        /// Requests to the token endpoint. A refresh that succeeds does not count, and one with a refresh token
        /// that was issued here is served although others at its address have used up the limit.
        token_requests: RequestLimit = "off";
        /// Requests to the authorization endpoint. Whoever has signed in has a limit of their own once the one
        /// of their address is used up.
        authorize_requests: RequestLimit = "off";
        /// Forms that carry a password: those of the sign-in page and of the change of the password. One with
        /// the right password does not count.
        sign_in_requests: RequestLimit = "off";
    }

    /// Connections of this server to others, to notify clients of logouts.
    outbound "outbound." Outbound {
        /// The certificates of further authorities to trust, PEM, such as a company's own. They are added to
        /// those that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
        ca_file: Option<PathBuf> = "";
    }

    /// The hashing of passwords (argon2id, RFC 9106), and the number that is checked at once.
    passwords "passwords." Passwords {
        /// Memory for one hash.
        memory: Argon2Memory = "19MiB";
        /// Passes over the memory.
        iterations: u32 = "2";
        /// Number of passwords that are checked at once; 0 for one per core.
        workers: u32 = "0";
        /// Number of passwords that may wait besides. Beyond that, logins get 503 with Retry-After; refreshes
        /// go on.
        queue: u32 = "64";
    }

    /// The look of the pages that people see: sign-in, consent, account, errors.
    brand "brand." Brand {
        /// Name of the service, in titles and beside the logo.
        name: BrandName = "Remint";
        /// The accent of buttons and links, as `#rrggbb`. Where it would be hard to read it is made darker
        /// or lighter, and the text on it is black or white, whichever reads better. Without one, the
        /// pages have Remint's own green.
        colour: Option<Colour> = "";
        /// An SVG or PNG file of at most 256 KiB, shown instead of the name, 32 pixels high. Read at start.
        logo: Option<PathBuf> = "";
    }

    /// Links of the pages.
    pages "pages." Pages {
        /// URL to which a browser goes that opens this server's own address, `https://host/`. Without one, to
        /// the account page.
        home: Option<HomeUrl> = "";
    }

    /// The log.
    log "log." Log {
        /// The least severe level that is logged.
        level: LogLevel = "info";
        /// Lines for people, or JSON for machines.
        format: LogFormat = "text";
    }
}

/// All keys, in order.
pub fn keys() -> impl Iterator<Item = &'static SettingSpec> {
    SECTIONS.iter().flat_map(|(_, _, keys)| keys.iter())
}
